-- The batches that nobody has sealed yet, in order, as verify_batches has those that are sealed.
SELECT NULL::bigint AS position, NULL::bytea AS sealed, b.batch_id,
       coalesce(b.review_id, -1) AS review_id, coalesce(b.shard, -1) AS shard, coalesce(b.token, -1) AS token,
       coalesce(b.users, -1) AS users, b.delta_minor, b.root,
       to_char(b.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS applied_at,
       coalesce(b.record, '') AS record, b.digest,
       (SELECT p.digest FROM limits_read.batches p
         WHERE p.review_id = b.review_id AND p.shard = b.shard AND p.batch_id < b.batch_id
         ORDER BY p.batch_id DESC LIMIT 1) AS before
  FROM limits_read.batches b
 WHERE NOT EXISTS (SELECT FROM limits_read.sealed_batches s WHERE s.batch_id = b.batch_id)
 ORDER BY b.batch_id
