-- The newest checkpoint of the log.
SELECT note FROM limits_read.checkpoints ORDER BY checkpoint_id DESC LIMIT 1
