-- The notes of all checkpoints, oldest first.
SELECT note FROM limits.checkpoints ORDER BY checkpoint_id
