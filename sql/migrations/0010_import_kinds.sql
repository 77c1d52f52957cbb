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
CREATE VIEW limits.fraud_cases AS
SELECT user_id, source, source_id, confirmed_on, min(withdrawn_on) AS withdrawn_on
  FROM limits.frauds
 GROUP BY user_id, source, source_id, confirmed_on;

GRANT SELECT ON limits.fraud_cases TO limits_worker, limits_operations;

RESET ROLE;
