-- Decisions without a forecast, by review and by what was used in its place, the newest review first. How many rows in
-- all, and the first of them.
SELECT l.review_id, l.as_of, coalesce(r.schedule, r.kind) AS schedule, l.capacity_method, count(*) AS decisions,
       r.users_raised + r.users_held + r.users_lowered AS decided, count(*) OVER () AS all_of_them
  FROM limits_read.adjustment_log l
  LEFT JOIN limits_read.reviews r ON r.review_id = l.review_id
 WHERE l.as_of BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
   AND l.capacity_method <> ALL (%(forecasts)s::smallint[])
 GROUP BY l.review_id, l.as_of, l.capacity_method, r.kind, r.schedule, r.users_raised, r.users_held, r.users_lowered
 ORDER BY l.review_id DESC, l.capacity_method
 LIMIT %(limit)s
