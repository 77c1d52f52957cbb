-- Committed batches that are not sealed, in order of their number, as verify_unsealed has them, with what their review
-- says of itself. The digest before them in their lane is the sealed one where it is sealed. By what is missing, never by
-- what is newer than the last one: numbers are given before transactions commit, and they commit out of order.
SELECT NULL::bigint AS position, NULL::bytea AS sealed, b.batch_id,
       coalesce(b.review_id, -1) AS review_id, coalesce(b.shard, -1) AS shard, coalesce(b.token, -1) AS token,
       coalesce(b.users, -1) AS users, b.delta_minor, b.root,
       to_char(b.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS applied_at,
       coalesce(b.record, '') AS record, b.digest,
       r.kind, r.business_date, r.policy_hash, r.actor, lane.digest AS before
  FROM limits_read.batches b
  LEFT JOIN limits_read.reviews r USING (review_id)
  LEFT JOIN LATERAL (
       SELECT coalesce(s.digest, p.digest) AS digest
         FROM limits_read.batches p LEFT JOIN limits_read.sealed_batches s USING (batch_id)
        WHERE p.review_id = b.review_id AND p.shard = b.shard AND p.batch_id < b.batch_id
        ORDER BY p.batch_id DESC LIMIT 1) lane ON true
 WHERE b.batch_id > %(after)s
   AND NOT EXISTS (SELECT FROM limits_read.sealed_batches s WHERE s.batch_id = b.batch_id)
 ORDER BY b.batch_id LIMIT %(most)s
