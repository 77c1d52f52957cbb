-- depends: 0009_policy_inputs
-- A fraud that is taken back is a second row of the same source_id, never an edit: what was
-- confirmed stays readable as of every date before.

SET LOCAL ROLE limits_owner;

-- One row confirms, one withdraws (and confirms, where it comes alone). The key below IS the
-- guarantee that a fraud is withdrawn once and on one date.
ALTER TABLE limits.frauds
    DROP CONSTRAINT frauds_pkey,
    ADD COLUMN withdrawn boolean NOT NULL GENERATED ALWAYS AS (withdrawn_on IS NOT NULL) STORED,
    ADD PRIMARY KEY (source, source_id, withdrawn);

-- Each fraud once. In force on a date: confirmed_on <= date, and withdrawn_on NULL or > date.
-- known_at: when it came in.
CREATE VIEW limits.fraud_cases AS
SELECT user_id, source, source_id, confirmed_on, min(withdrawn_on) AS withdrawn_on, min(ingested_at) AS known_at
  FROM limits.frauds
 GROUP BY user_id, source, source_id, confirmed_on;

-- Whether one user was seen with a value is asked for each fraud that shares it: with the user in
-- the index nobody reads all who share a phone for that.
DROP INDEX limits.identifiers_value;
CREATE INDEX identifiers_value ON limits.identifiers (kind, value_sha256, user_id, seen_on);

-- What users with a fraud on record have been seen with, whatever the dates and whether it still
-- stands: where links are looked for. Without it a review would read either everybody who
-- shares a phone or the identifiers of all frauds, for each chunk of users again.
-- Derived, and only ever added to: load_fraud_links checks the rows it comes from.
CREATE TABLE limits.fraud_identifiers (
    kind         text NOT NULL,
    value_sha256 text NOT NULL,
    user_id      bigint NOT NULL,
    PRIMARY KEY (kind, value_sha256, user_id)
);

CREATE FUNCTION limits.note_fraud_identifiers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    -- Of a fraud and an identifier of one user that come in at once, the second sees the first. The
    -- table and not an advisory lock, which anybody who may connect could take and keep.
    LOCK TABLE limits.fraud_identifiers IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO limits.fraud_identifiers (kind, value_sha256, user_id)
    SELECT DISTINCT i.kind, i.value_sha256, i.user_id
      FROM limits.identifiers i
     WHERE i.user_id IN (SELECT user_id FROM added INTERSECT SELECT user_id FROM limits.frauds)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION limits.note_fraud_identifiers FROM PUBLIC;

CREATE TRIGGER note_fraud_identifiers AFTER INSERT ON limits.identifiers
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION limits.note_fraud_identifiers();
CREATE TRIGGER note_fraud_identifiers AFTER INSERT ON limits.frauds
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION limits.note_fraud_identifiers();

GRANT SELECT ON limits.fraud_identifiers, limits.fraud_cases TO limits_worker, limits_operations;

RESET ROLE;
