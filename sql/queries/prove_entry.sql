-- One entry as it was hashed, the record of its batch, and where that stands in the log's tree.
SELECT l.batch_id, l.sequence, l.entry, b.record, s.position
  FROM limits_read.adjustment_log l
  LEFT JOIN limits_read.batches b ON b.batch_id = l.batch_id
  LEFT JOIN limits_read.sealed_batches s ON s.batch_id = l.batch_id
 WHERE l.entry_id = %(entry_id)s
