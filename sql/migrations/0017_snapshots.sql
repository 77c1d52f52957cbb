-- depends: 0012_pending_changes 0013_notices
-- What decisions were made from: the portfolio of each shard as one Parquet file, under its sha256.

SET LOCAL ROLE limits_owner;

CREATE TABLE limits.snapshots (
    digest     bytea PRIMARY KEY CHECK (length(digest) = 32),
    as_of      date NOT NULL,
    users      bigint NOT NULL CHECK (users >= 0),
    bytes      bigint NOT NULL CHECK (bytes > 0),
    body       bytea,                           -- NULL: a file DIGEST.parquet of the folder LIMITS_SNAPSHOT_STORE
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (length(body) = bytes)
);
-- That the digest is the sha256 of the bytes is checked by whoever reads them, and by whoever stores the
-- same again: a CHECK would be the dearest part of storing on servers built without OpenSSL.
-- It is compressed already.
ALTER TABLE limits.snapshots ALTER COLUMN body SET STORAGE EXTERNAL;

-- Which shards were decided from it: the same facts give the same bytes, in whichever review.
CREATE TABLE limits.snapshot_uses (
    review_id  bigint NOT NULL,
    shard      integer NOT NULL,
    digest     bytea NOT NULL REFERENCES limits.snapshots,
    used_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (review_id, shard, digest),
    FOREIGN KEY (review_id, shard) REFERENCES limits.shards
);
CREATE INDEX snapshot_uses_digest ON limits.snapshot_uses (digest);

CREATE FUNCTION limits.refuse_snapshot_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a snapshot never changes: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER never_changed BEFORE UPDATE OR TRUNCATE ON limits.snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_snapshot_change();
CREATE TRIGGER never_changed BEFORE UPDATE OR TRUNCATE ON limits.snapshot_uses
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_snapshot_change();
ALTER TABLE limits.snapshots ENABLE ALWAYS TRIGGER never_changed;
ALTER TABLE limits.snapshot_uses ENABLE ALWAYS TRIGGER never_changed;

-- How long snapshots are kept at least, whoever asks for less. Changed by the owner alone.
CREATE TABLE limits.retention (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    snapshot_days integer NOT NULL DEFAULT 30 CHECK (snapshot_days BETWEEN 1 AND 100000)
);
INSERT INTO limits.retention DEFAULT VALUES;

-- What was removed, when and by which login: a decision whose snapshot is gone can say so.
CREATE TABLE limits.pruned_snapshots (
    digest       bytea NOT NULL CHECK (length(digest) = 32),
    pruned_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    as_of        date NOT NULL,
    users        bigint NOT NULL,
    bytes        bigint NOT NULL,
    used_at      timestamptz NOT NULL,         -- the last time that a shard was decided from it
    days         integer NOT NULL,             -- what was not used in so many days had to go
    session_role text NOT NULL DEFAULT session_user,
    PRIMARY KEY (digest, pruned_at)
);
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON limits.pruned_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_snapshot_change();
ALTER TABLE limits.pruned_snapshots ENABLE ALWAYS TRIGGER never_changed;

-- The one way to remove snapshots: those that no review used in so many days, all of whose reviews are
-- over. Returns them; p_delete false: removes nothing.
CREATE FUNCTION limits.prune_snapshots(p_days integer, p_delete boolean)
RETURNS TABLE (digest bytea, as_of date, users bigint, bytes bigint, in_database boolean, used_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_old   bytea[];
    v_least integer := (SELECT r.snapshot_days FROM limits.retention r);
BEGIN
    IF p_days IS NULL OR p_delete IS NULL OR p_days NOT BETWEEN v_least AND 100000 THEN
        RAISE EXCEPTION 'snapshots are kept for at least % days (limits.retention) and at most 100000, not for %',
            v_least, p_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT array_agg(s.digest) INTO v_old FROM limits.snapshots s
     WHERE greatest(s.created_at, (SELECT max(u.used_at) FROM limits.snapshot_uses u WHERE u.digest = s.digest))
           < clock_timestamp() - make_interval(days => p_days)
       AND NOT EXISTS (SELECT FROM limits.snapshot_uses u JOIN limits.reviews r ON r.review_id = u.review_id
                        WHERE u.digest = s.digest AND r.state NOT IN ('done', 'failed', 'cancelled'));
    RETURN QUERY
    SELECT s.digest, s.as_of, s.users, s.bytes, s.body IS NOT NULL,
           greatest(s.created_at, (SELECT max(u.used_at) FROM limits.snapshot_uses u WHERE u.digest = s.digest))
      FROM limits.snapshots s WHERE s.digest = ANY (v_old) ORDER BY s.as_of, s.digest;
    IF p_delete THEN
        INSERT INTO limits.pruned_snapshots (digest, as_of, users, bytes, used_at, days)
        SELECT s.digest, s.as_of, s.users, s.bytes,
               greatest(s.created_at, (SELECT max(u.used_at) FROM limits.snapshot_uses u WHERE u.digest = s.digest)),
               p_days
          FROM limits.snapshots s WHERE s.digest = ANY (v_old);
        -- A review that begins to use one meanwhile makes the second statement fail, and nothing is removed.
        DELETE FROM limits.snapshot_uses u WHERE u.digest = ANY (v_old);
        DELETE FROM limits.snapshots s WHERE s.digest = ANY (v_old);
    END IF;
END $$;

-- Not created_at and used_at: the age of a snapshot is for the database to say.
GRANT INSERT (digest, as_of, users, bytes, body) ON limits.snapshots TO limits_worker, limits_operations;
GRANT INSERT (review_id, shard, digest) ON limits.snapshot_uses TO limits_worker, limits_operations;
GRANT SELECT ON limits.snapshots, limits.snapshot_uses, limits.retention, limits.pruned_snapshots
    TO limits_worker, limits_operations, limits_auditor;
REVOKE EXECUTE ON FUNCTION limits.prune_snapshots, limits.refuse_snapshot_change FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.prune_snapshots TO limits_operations;

RESET ROLE;
