-- Lets in the new events, and marks the months they belong to.
WITH fresh AS (
    SELECT * FROM pg_temp.import_checked WHERE fault IS NULL AND NOT known
), keys AS (
    INSERT INTO limits.event_keys (source, source_id, digest) SELECT %(source)s, source_id, digest FROM fresh
), marks AS (
    INSERT INTO limits.dirty_months (user_id, month)
    SELECT DISTINCT user_id, date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date FROM fresh
)
INSERT INTO limits.events (user_id, occurred_at, kind, amount_minor, source, source_id)
SELECT user_id, occurred_at, kind, amount_minor, %(source)s, source_id FROM fresh ORDER BY occurred_at, user_id
