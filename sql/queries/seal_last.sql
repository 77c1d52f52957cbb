-- The newest checkpoint.
SELECT c.checkpoint_id, c.tree_size, c.root, c.entries, c.note, c.key_id, c.made_at
  FROM limits.checkpoints c ORDER BY c.checkpoint_id DESC LIMIT 1
