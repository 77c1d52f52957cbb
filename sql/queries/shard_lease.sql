-- Leases one shard that nobody works on and that the review's stage is about; none to apply while the kill switch
-- is engaged. The token grows with each lease and fences off whoever had it before.
UPDATE limits.shards s
   SET state = 'leased', token = s.token + 1, attempts = s.attempts + 1, leased_by = %(worker)s,
       leased_at = clock_timestamp(),
       leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
  FROM (SELECT f.review_id, f.shard
          FROM limits.shards f
          JOIN limits.reviews r ON r.review_id = f.review_id AND r.state = 'running'
         WHERE f.review_id = %(review_id)s AND f.stage = r.stage
           AND (r.stage = 'decide' OR f.shard < r.released_shards
                                  AND NOT (SELECT k.engaged FROM limits.kill_switch k))
           AND (f.state = 'pending' OR f.state = 'leased' AND f.leased_until <= clock_timestamp())
         ORDER BY f.shard
         LIMIT 1
           FOR UPDATE OF f SKIP LOCKED) free
 WHERE s.review_id = free.review_id AND s.shard = free.shard
RETURNING s.review_id, s.shard, s.token, s.attempts, s.users_total, s.stage, s.snapshot_digest
