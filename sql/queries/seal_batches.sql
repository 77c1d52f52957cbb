-- Committed batches that are not sealed, in order of their number, with what their review says of itself and the digest
-- before them in their lane: the sealed one where it is sealed. By what is missing, never by what is newer than the
-- last one: numbers are given before transactions commit, and they commit out of order.
SELECT b.batch_id, b.review_id, b.shard, b.token, b.users, b.delta_minor, b.root, b.applied_at, b.record, b.digest,
       r.kind, r.business_date, r.policy_hash, r.actor, lane.digest AS before
  FROM limits.batches b
  LEFT JOIN limits.reviews r USING (review_id)
  LEFT JOIN LATERAL (
       SELECT coalesce(s.digest, p.digest) AS digest
         FROM limits.batches p LEFT JOIN limits.sealed_batches s USING (batch_id)
        WHERE p.review_id = b.review_id AND p.shard = b.shard AND p.batch_id < b.batch_id
        ORDER BY p.batch_id DESC LIMIT 1) lane ON true
 WHERE b.batch_id > %(after)s
   AND NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.batch_id = b.batch_id)
 ORDER BY b.batch_id LIMIT %(most)s
