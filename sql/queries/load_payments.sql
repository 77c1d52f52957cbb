-- How punctually some users paid the minimum of their statements, as of a date.
--
-- The rule. Statements and repayments of a user stand on one time line, on one day the
-- statement first. A repayment pays minimums that are open by then, the oldest statement
-- first, whether they are due yet or not. What is left of it when none is open lowers the
-- balance, which the next statement then starts from; it is not kept for the minimum of a
-- statement that is issued later. (Otherwise whoever once paid a balance in full could
-- miss years of minimums unnoticed.) A minimum is new money: arrears are not in it again.
--
-- In windows: owed is the running sum of minimums, paid that of repayments. Where paid ran
-- ahead of owed, the largest lead so far is money that met no open minimum, so
-- paid - largest lead is what went to minimums: the reach of a repayment. A minimum is met
-- on the first day on which a repayment reaches the sum of it and all before it: the
-- earliest of the repayments that stand before it when both are sorted by reach.
--
-- A minimum is late from the day after its due date until it is met. Late now: days past
-- due. Missed: due in the 12 months to the date and not met in time. Worst: the longest
-- delay, up to the date, of any that was late on some day of these 12 months.
WITH time_line AS (
    SELECT user_id, statement_on AS happened_on, 0 AS place, minimum_due_minor AS owed, 0 AS paid, due_on,
           sum(minimum_due_minor) OVER (PARTITION BY user_id
                                            ORDER BY statement_on, due_on, source, source_id) AS owed_through
      FROM limits.statements
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND statement_on <= %(as_of)s AND minimum_due_minor > 0
    UNION ALL
    SELECT user_id, paid_on, 1, 0, amount_minor, NULL, NULL
      FROM limits.repayments
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND paid_on <= %(as_of)s
), running AS (
    SELECT *, sum(paid) OVER so_far AS paid_through, sum(paid - owed) OVER so_far AS lead
      FROM time_line
    WINDOW so_far AS (PARTITION BY user_id ORDER BY happened_on, place)
), reaching AS (
    SELECT user_id, happened_on, place, due_on,
           CASE place WHEN 0 THEN owed_through
                      ELSE paid_through - greatest(0, max(lead) OVER (PARTITION BY user_id
                                                                          ORDER BY happened_on, place)) END AS reach
      FROM running
), met AS (
    SELECT user_id, place, due_on,
           min(happened_on) FILTER (WHERE place = 1) OVER (PARTITION BY user_id
                                                               ORDER BY reach DESC, place DESC) AS met_on
      FROM reaching
), late AS (
    SELECT user_id, due_on, met_on, least(met_on, %(as_of)s) - due_on AS days
      FROM met
     WHERE place = 0 AND due_on < least(met_on, %(as_of)s)
)
SELECT user_id,
       coalesce(max(days) FILTER (WHERE met_on IS NULL), 0) AS days_past_due,
       count(*) FILTER (WHERE due_on > (%(as_of)s::date - interval '12 months')) AS missed_payments,
       coalesce(max(days) FILTER (WHERE due_on + days > (%(as_of)s::date - interval '12 months')), 0) AS worst_days_past_due
  FROM late
 GROUP BY user_id
