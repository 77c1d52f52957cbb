-- Leases that ran out without anybody taking the shard over.
SELECT s.review_id, s.shard, s.leased_by,
       extract(epoch FROM clock_timestamp() - s.leased_until)::float8 AS overdue_seconds
  FROM limits.shards s
  JOIN limits.reviews r ON r.review_id = s.review_id AND r.state = 'running'
 WHERE s.state = 'leased' AND s.leased_until < clock_timestamp() - interval '60 seconds'
 ORDER BY s.leased_until
 LIMIT 20
