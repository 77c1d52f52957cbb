-- A checkpoint is written down.
INSERT INTO limits.checkpoints (tree_size, root, entries, note, key_id)
VALUES (%(tree_size)s, %(root)s, %(entries)s, %(note)s, %(key_id)s)
RETURNING checkpoint_id
