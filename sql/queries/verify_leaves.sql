-- The leaves of the log's tree in order, each with the digest and the number of users that its batch has now.
SELECT s.position, s.batch_id, coalesce(s.digest, ''), b.batch_id IS NOT NULL, b.digest, b.users
  FROM limits_read.sealed_batches s LEFT JOIN limits_read.batches b ON b.batch_id = s.batch_id
 ORDER BY s.position
