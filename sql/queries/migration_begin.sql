-- Where it is kept which files were applied; yoyo's own tables come into the same schema.
-- Everybody may read it: any login has to find out whether the schema is what its code needs.
CREATE SCHEMA IF NOT EXISTS limits_migration;
CREATE TABLE IF NOT EXISTS limits_migration.files (
    migration  text PRIMARY KEY,
    digest     bytea NOT NULL CHECK (length(digest) = 32),      -- sha256 of the file
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL DEFAULT session_user
);
GRANT USAGE ON SCHEMA limits_migration TO PUBLIC;
GRANT SELECT ON limits_migration.files TO PUBLIC;
