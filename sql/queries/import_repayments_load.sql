-- Lets in the new repayments, and marks the months they belong to.
WITH fresh AS (
    SELECT * FROM pg_temp.import_checked WHERE fault IS NULL AND NOT known
), marks AS (
    INSERT INTO limits.dirty_months (user_id, month)
    SELECT DISTINCT user_id, date_trunc('month', paid_on::timestamp)::date FROM fresh
)
INSERT INTO limits.repayments (user_id, source, source_id, paid_on, amount_minor, digest)
SELECT user_id, %(source)s, source_id, paid_on, amount_minor, digest FROM fresh ORDER BY user_id, paid_on
