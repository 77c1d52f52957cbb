-- When and why the sealer would not seal a batch, the last time that it said so.
SELECT t.at AT TIME ZONE 'UTC', t.why
  FROM limits_read.seal_troubles t
 WHERE t.batch_id = %(batch_id)s
 ORDER BY t.trouble_id DESC
 LIMIT 1
