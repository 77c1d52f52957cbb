-- How many entries of batches, notices and waiting changes there are.
SELECT (SELECT count(*) FROM limits_read.adjustment_log WHERE batch_id IS NOT NULL),
       (SELECT count(*) FROM limits_read.notices), (SELECT count(*) FROM limits_read.pending_changes)
