-- How a checkpoint was handed to the second anchor.
INSERT INTO limits.seal_anchor (checkpoint_id, why) VALUES (%(checkpoint_id)s, %(why)s)
    ON CONFLICT (only_row) DO UPDATE
   SET checkpoint_id = EXCLUDED.checkpoint_id, tried_at = clock_timestamp(), why = EXCLUDED.why
