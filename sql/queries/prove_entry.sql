-- Of which batch an entry is, where the record of that stands in the log's tree, and whether it is there at all.
SELECT l.batch_id, s.position, b.batch_id IS NOT NULL AS there
  FROM limits_read.adjustment_log l
  LEFT JOIN limits_read.batches b ON b.batch_id = l.batch_id
  LEFT JOIN limits_read.sealed_batches s ON s.batch_id = l.batch_id
 WHERE l.entry_id = %(entry_id)s
 ORDER BY s.position
 LIMIT 1
