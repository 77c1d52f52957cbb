-- What became of some users after a date, up to another: one row for each user of whom something was to be seen.
--
-- To be seen is a minimum that fell due after the date and before the other one, whenever its statement was issued, or
-- a statement of that time with which the lender's system reported how late the user was, and be it not at all. Missed is
-- a minimum of these that was not met on its due date, by the rule of load_payments, or a delay that was reported.
--
-- Statements and repayments after the other date do not exist yet.
WITH issued AS MATERIALIZED (
    SELECT * FROM limits.statements
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND statement_on <= %(until)s
), time_line AS (
    SELECT user_id, statement_on AS happened_on, 0 AS kind, minimum_due_minor AS owed, 0 AS paid, due_on,
           sum(minimum_due_minor) OVER (PARTITION BY user_id
                                            ORDER BY statement_on, due_on, source, source_id) AS owed_through
      FROM issued
     WHERE minimum_due_minor > 0
    UNION ALL
    SELECT user_id, paid_on, 1, 0, amount_minor, NULL, NULL
      FROM limits.repayments
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND paid_on <= %(until)s
), running AS (
    SELECT *, sum(paid) OVER so_far AS paid_through, sum(paid - owed) OVER so_far AS lead
      FROM time_line
    WINDOW so_far AS (PARTITION BY user_id ORDER BY happened_on, kind)
), reaching AS (
    SELECT user_id, happened_on, kind, due_on,
           CASE kind WHEN 0 THEN owed_through
                     ELSE paid_through - greatest(0, max(lead) OVER (PARTITION BY user_id
                                                                         ORDER BY happened_on, kind)) END AS reach
      FROM running
), met AS (
    SELECT user_id, kind, due_on,
           min(happened_on) FILTER (WHERE kind = 1) OVER (PARTITION BY user_id
                                                              ORDER BY reach DESC, kind DESC) AS met_on
      FROM reaching
), seen AS (
    SELECT user_id, coalesce(met_on > due_on, true) AS missed
      FROM met
     WHERE kind = 0 AND due_on > %(as_of)s AND due_on < %(until)s
    UNION ALL
    SELECT user_id, days_past_due > 0
      FROM issued
     WHERE statement_on > %(as_of)s AND days_past_due IS NOT NULL
)
SELECT user_id, bool_or(missed) AS missed
  FROM seen
 GROUP BY user_id
 ORDER BY user_id
