-- The record of the batch that an entry of the log belongs to; none for those made before there were batches.
SELECT b.record
  FROM limits_read.adjustment_log l
  JOIN limits_read.batches b ON b.batch_id = l.batch_id
 WHERE l.entry_id = %(entry_id)s::bigint
