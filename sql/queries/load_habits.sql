-- How some users used their limit in the 12 months to a date: one row for each user with a statement
-- or a repayment in them.
--
-- A statement is paid by the repayments from its day on, until the next one comes and no later
-- than the date. Only its minimum was paid when that is the minimum or little more, and more
-- was due. Little more is up to 110%% of the minimum, so that whoever rounds it up counts as
-- well. Less than the minimum is a missed payment, which load_payments counts.
--
-- No sum is cast that could be out of range: whatever is that large is named when amounts are checked.
WITH time_line AS (
    SELECT user_id, statement_on AS happened_on, 0 AS place, due_on, greatest(balance_minor, 0) AS balance,
           amount_due_minor AS due, minimum_due_minor AS minimum, 0 AS paid
      FROM limits.statements
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND statement_on <= %(as_of)s
       AND statement_on > (%(as_of)s::date - interval '12 months')
    UNION ALL
    SELECT user_id, paid_on, 1, NULL, 0, 0, 0, amount_minor
      FROM limits.repayments
     WHERE user_id = ANY (%(user_ids)s::bigint[]) AND paid_on <= %(as_of)s
       AND paid_on > (%(as_of)s::date - interval '12 months')
), numbered AS (
    SELECT *, sum(1 - place) OVER (PARTITION BY user_id ORDER BY happened_on, place, due_on, due, minimum
                                   ROWS UNBOUNDED PRECEDING) AS statement
      FROM time_line
), paid AS (
    -- What was repaid before the first statement is statement 0: of no statement of these months.
    SELECT user_id, statement, max(due_on) AS due_on, max(balance) AS balance, max(due) AS due,
           max(minimum) AS minimum, sum(paid) AS paid
      FROM numbered
     GROUP BY user_id, statement
)
SELECT user_id,
       count(*) FILTER (WHERE due_on <= %(as_of)s AND minimum > 0 AND due > minimum AND paid < due
                          AND paid BETWEEN minimum AND minimum * 1.10) AS minimum_only_payments,
       count(*) FILTER (WHERE statement > 0) AS statements_12m,
       least(sum(balance), 4e18)::bigint AS balances_12m,
       least(sum(paid), 4e18)::bigint AS repaid_12m
  FROM paid
 GROUP BY user_id
