-- The sealed batches from a position on, in order, each with the digest before it in its lane; on request some of them.
-- Those of archived months have no entries here: verify_archived has them.
-- What is NULL or out of all bounds comes as a value that no record has.
SELECT s.position, s.digest AS sealed, b.batch_id,
       coalesce(b.review_id, -1) AS review_id, coalesce(b.shard, -1) AS shard, coalesce(b.token, -1) AS token,
       coalesce(b.users, -1) AS users, b.delta_minor, b.root,
       to_char(b.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS applied_at,
       coalesce(b.record, '') AS record, b.digest,
       (SELECT p.digest FROM limits_read.batches p
         WHERE p.review_id = b.review_id AND p.shard = b.shard AND p.batch_id < b.batch_id
         ORDER BY p.batch_id DESC LIMIT 1) AS before
  FROM limits_read.sealed_batches s
  JOIN limits_read.batches b ON b.batch_id = s.batch_id
 CROSS JOIN LATERAL (SELECT split_part(split_part(b.record, E'\nas_of ', 2), E'\n', 1) AS as_of) r
 WHERE s.position >= %(since)s AND s.position < %(until)s
   AND coalesce(left(r.as_of, 7), '') NOT IN (SELECT to_char(a.month, 'YYYY-MM') FROM limits_read.archived_months a)
   AND (%(review_id)s::bigint IS NULL OR b.review_id = %(review_id)s)
   AND (%(as_of_from)s::text IS NULL OR r.as_of >= %(as_of_from)s)
   AND (%(as_of_to)s::text IS NULL OR r.as_of <= %(as_of_to)s)
 ORDER BY s.position
