-- The unfinished scheduled review that has a user on its list and has not come to the user yet.
SELECT r.review_id, r.schedule, r.business_date, r.started_at, s.shard, s.leased_by
  FROM limits.reviews r
  JOIN limits.shards s ON s.review_id = r.review_id AND %(user_id)s BETWEEN s.user_from AND s.user_to
 WHERE r.state = 'running' AND r.kind = 'scheduled' AND s.state <> 'done'
   AND %(user_id)s = ANY (s.user_ids)
   AND NOT EXISTS (SELECT FROM limits.adjustment_log l
                    WHERE l.as_of = r.business_date AND l.review_id = r.review_id AND l.user_id = %(user_id)s)
   AND NOT EXISTS (SELECT FROM limits.review_exceptions x
                    WHERE x.review_id = r.review_id AND x.user_id = %(user_id)s)
 ORDER BY r.business_date, r.review_id
 LIMIT 1
