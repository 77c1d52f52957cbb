-- Lets in the new statements, and marks the months in which they fall due.
WITH fresh AS (
    SELECT * FROM pg_temp.import_checked WHERE fault IS NULL AND NOT known
), marks AS (
    INSERT INTO limits.dirty_months (user_id, month)
    SELECT DISTINCT user_id, date_trunc('month', due_on::timestamp)::date FROM fresh
)
INSERT INTO limits.statements (
    user_id, source, source_id, statement_on, due_on, balance_minor, amount_due_minor, minimum_due_minor, days_past_due,
    digest)
SELECT user_id, %(source)s, source_id, statement_on, due_on, balance_minor, amount_due_minor, minimum_due_minor,
       days_past_due, digest
  FROM fresh
 ORDER BY user_id, statement_on
