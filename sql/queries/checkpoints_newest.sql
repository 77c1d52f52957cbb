-- The newest checkpoints of the log, the newest first.
SELECT checkpoint_id, coalesce(note, '') FROM limits_read.checkpoints ORDER BY checkpoint_id DESC LIMIT %(limit)s
