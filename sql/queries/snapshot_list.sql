-- Snapshots, newest first, with the shards that were decided from each; only those of a review where one is named.
SELECT s.digest, s.as_of, s.users, s.bytes, s.body IS NOT NULL AS in_database, s.created_at,
       max(u.used_at) AS used_at,
       array_agg(DISTINCT u.review_id ORDER BY u.review_id) FILTER (WHERE u.review_id IS NOT NULL) AS review_ids,
       count(u.review_id) AS shards
  FROM limits_read.snapshots s
  LEFT JOIN limits_read.snapshot_uses u ON u.digest = s.digest
 WHERE %(review_id)s::bigint IS NULL
    OR s.digest IN (SELECT x.digest FROM limits_read.snapshot_uses x WHERE x.review_id = %(review_id)s)
 GROUP BY s.digest, s.as_of, s.users, s.bytes, s.body IS NOT NULL, s.created_at
 ORDER BY s.created_at DESC, s.digest
 LIMIT %(limit)s
