-- The newest statements of a user, the newest first.
SELECT statement_on, due_on, balance_minor, minimum_due_minor, days_past_due
  FROM limits.statements
 WHERE user_id = %(user_id)s::bigint
 ORDER BY statement_on DESC, source DESC, source_id DESC
 LIMIT %(limit)s
