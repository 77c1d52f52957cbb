-- depends: 0024_roles_and_rights
-- What the sealer keeps beside sealed batches and checkpoints: what it refused to seal and why, how far the second
-- anchor is, and its heartbeat.

SET LOCAL ROLE limits_owner;

-- Batches that do not hold, once for each reason. batch_id NULL: the record that the log begins with. A batch that is
-- mended is sealed, and its rows here stay.
CREATE TABLE limits.seal_troubles (
    trouble_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id   bigint,
    at         timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(at)),
    why        text NOT NULL CHECK (why <> '' AND length(why) <= 1000)
);
CREATE INDEX seal_troubles_batch ON limits.seal_troubles (batch_id);

CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.seal_troubles
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.seal_troubles
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.seal_troubles ENABLE ALWAYS TRIGGER append_only_rows,
                                 ENABLE ALWAYS TRIGGER append_only_truncate;

-- How the newest checkpoint was handed to the second anchor. why: what went wrong; NULL when it was taken.
CREATE TABLE limits.seal_anchor (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    checkpoint_id bigint NOT NULL,
    tried_at      timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(tried_at)),
    why           text CHECK (why <> '' AND length(why) <= 1000)
);

-- One sealer at a time.
INSERT INTO limits.turns VALUES ('seal');

ALTER TABLE limits.workers DROP CONSTRAINT workers_kind_check,
    ADD CONSTRAINT workers_kind_check CHECK (kind IN ('worker', 'scheduler', 'sealer'));

-- Who may -------------------------------------------------------------------------------

GRANT SELECT, UPDATE ON limits.turns TO limits_sealer;
GRANT EXECUTE ON FUNCTION limits.origin_digest, limits.unguarded TO limits_sealer;   -- the second: for its heartbeat
GRANT SELECT, INSERT (batch_id, why) ON limits.seal_troubles TO limits_sealer;
GRANT SELECT, INSERT (checkpoint_id, why), UPDATE (checkpoint_id, tried_at, why) ON limits.seal_anchor
    TO limits_sealer;
GRANT SELECT, INSERT (worker, kind, host, pid, doing), UPDATE (heartbeat_at, doing), DELETE ON limits.workers
    TO limits_sealer;
GRANT SELECT ON limits.seal_troubles, limits.seal_anchor TO limits_worker, limits_operations;

CREATE VIEW limits_read.seal_troubles AS SELECT * FROM limits.seal_troubles;
CREATE VIEW limits_read.seal_anchor AS SELECT * FROM limits.seal_anchor;
GRANT SELECT ON limits_read.seal_troubles, limits_read.seal_anchor
    TO limits_worker, limits_operations, limits_auditor;

RESET ROLE;
