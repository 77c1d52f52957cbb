-- All days on which a window of observation of some users begins or ends to hold a month between two: arrays.
SELECT array_agg(m.user_id) AS user_id, array_agg(d.day) AS day
  FROM limits.monthly_cash_flow m
 CROSS JOIN LATERAL unnest(m.observed_as_of) AS held (during)
 CROSS JOIN LATERAL (VALUES (lower(during)), (upper(during))) AS d (day)
 WHERE m.user_id = ANY (%(user_ids)s::bigint[]) AND m.month BETWEEN %(first_month)s AND %(last_month)s
   AND d.day IS NOT NULL
