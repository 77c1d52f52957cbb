-- The newest entries of no batch: what was made to look older than the log's batches is among them.
SELECT entry_id, user_id, review_id, shard FROM limits_read.adjustment_log WHERE batch_id IS NULL
 ORDER BY entry_id DESC LIMIT %(many)s
