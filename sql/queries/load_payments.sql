-- How punctually some users paid the minimum of their statements, as of a date, and what became of the six newest:
-- one row for each user with a statement.
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
--
-- The record. Of each of the six newest statements, the newest first: its balance; what was repaid from its day to
-- the day before the next one and no later than the date; and how long the oldest minimum that was late on its day
-- had been late by then, or what the lender's system reported with the statement, whichever is more.
--
-- What was reported counts beside the minimums, and whichever is more holds. Late now is also what the newest
-- statement reported as late, longer by the days since, until as much as its minimum (or anything, where it has
-- none) was repaid from its day on: how much is in arrears is not reported, and less than that ends no delay.
-- Missed: at least as many as there are statements of the 12 months that reported a delay. Worst: at least the
-- longest of those, and what is late now.
--
-- No sum is cast that could be out of range: whatever is that large is named when amounts are checked.
WITH issued AS MATERIALIZED (
    SELECT *, row_number() OVER newest_first AS place, lag(statement_on) OVER newest_first AS next_on
      FROM limits.statements
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND statement_on <= %(as_of)s
    WINDOW newest_first AS (PARTITION BY user_id ORDER BY statement_on DESC, source DESC, source_id DESC)
), repaid AS MATERIALIZED (
    SELECT user_id, paid_on, amount_minor FROM limits.repayments
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND paid_on <= %(as_of)s
), time_line AS (
    SELECT user_id, statement_on AS happened_on, 0 AS kind, minimum_due_minor AS owed, 0 AS paid, due_on,
           sum(minimum_due_minor) OVER (PARTITION BY user_id
                                            ORDER BY statement_on, due_on, source, source_id) AS owed_through
      FROM issued
     WHERE minimum_due_minor > 0
    UNION ALL
    SELECT user_id, paid_on, 1, 0, amount_minor, NULL, NULL FROM repaid
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
), late AS MATERIALIZED (
    SELECT user_id, due_on, met_on, least(met_on, %(as_of)s) - due_on AS days
      FROM met
     WHERE kind = 0 AND due_on < least(met_on, %(as_of)s)
), derived AS (
    SELECT user_id,
           max(days) FILTER (WHERE met_on IS NULL) AS days_past_due,
           count(*) FILTER (WHERE due_on > (%(as_of)s::date - interval '12 months')) AS missed_payments,
           max(days) FILTER (WHERE due_on + days > (%(as_of)s::date - interval '12 months')) AS worst_days_past_due
      FROM late
     GROUP BY user_id
), late_then AS (
    SELECT i.user_id, i.place, max(i.statement_on - l.due_on) AS days
      FROM issued i
      JOIN late l ON l.user_id = i.user_id AND l.due_on < i.statement_on
                 AND (l.met_on IS NULL OR l.met_on > i.statement_on)
     WHERE i.place <= 6
     GROUP BY i.user_id, i.place
), paid_then AS (
    SELECT i.user_id, i.place, sum(r.amount_minor) AS amount
      FROM issued i
      JOIN repaid r ON r.user_id = i.user_id AND r.paid_on >= i.statement_on
                   AND (i.next_on IS NULL OR r.paid_on < i.next_on)
     WHERE i.place <= 6
     GROUP BY i.user_id, i.place
), told AS (
    SELECT i.user_id, i.place, i.statement_on, i.balance_minor, i.minimum_due_minor, i.days_past_due AS reported,
           coalesce(p.amount, 0) AS repaid, coalesce(greatest(t.days, i.days_past_due), 0) AS days_then
      FROM issued i
      LEFT JOIN late_then t ON t.user_id = i.user_id AND t.place = i.place
      LEFT JOIN paid_then p ON p.user_id = i.user_id AND p.place = i.place
), counted AS (
    SELECT user_id,
           max(reported + (%(as_of)s::date - statement_on))
               FILTER (WHERE place = 1 AND reported > 0 AND repaid < greatest(minimum_due_minor, 1)) AS days_past_due,
           count(*) FILTER (WHERE reported > 0
                              AND statement_on > (%(as_of)s::date - interval '12 months')) AS missed_payments,
           max(reported) FILTER (WHERE statement_on > (%(as_of)s::date - interval '12 months')) AS worst_days_past_due,
           count(*) FILTER (WHERE place <= 6) AS record_held,
           array_agg(balance_minor ORDER BY place) FILTER (WHERE place <= 6) AS balances,
           array_agg(least(repaid, 4e18)::bigint ORDER BY place) FILTER (WHERE place <= 6) AS repaid,
           array_agg(days_then::bigint ORDER BY place) FILTER (WHERE place <= 6) AS days_then
      FROM told
     GROUP BY user_id
)
SELECT user_id,
       coalesce(greatest(d.days_past_due, c.days_past_due), 0) AS days_past_due,
       coalesce(greatest(d.missed_payments, c.missed_payments), 0) AS missed_payments,
       coalesce(greatest(d.worst_days_past_due, c.worst_days_past_due, c.days_past_due), 0) AS worst_days_past_due,
       c.record_held,
       (c.balances || array_fill(0::bigint, '{6}'))[1:6] AS record_balance,
       (c.repaid || array_fill(0::bigint, '{6}'))[1:6] AS record_repaid,
       (c.days_then || array_fill(0::bigint, '{6}'))[1:6] AS record_days_past_due
  FROM counted c
  LEFT JOIN derived d USING (user_id)
