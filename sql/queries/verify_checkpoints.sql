-- The checkpoints as the database has them, in order.
SELECT checkpoint_id, tree_size, root, entries, coalesce(note, ''), key_id FROM limits_read.checkpoints ORDER BY checkpoint_id
