-- Unfinished and failed reviews of the last days, with what their shards last complained of.
SELECT r.review_id, r.schedule, r.business_date, r.state, r.error,
       (SELECT max(s.error) FROM limits.shards s WHERE s.review_id = r.review_id AND s.state <> 'done') AS shard_error,
       extract(epoch FROM clock_timestamp() - r.created_at)::float8 AS age_seconds
  FROM limits.reviews r
 WHERE r.kind = 'scheduled'
   AND (r.state IN ('owed', 'running', 'held')
        OR r.state = 'failed' AND r.finished_at > clock_timestamp() - interval '7 days')
 ORDER BY r.review_id
 LIMIT 20
