-- One user's months and limit, oldest month first.
SELECT c.limit_minor, m.inflow_minor - m.essential_minor - m.discretionary_minor - m.obligations_minor AS net
  FROM bench.naive_credit_lines c JOIN limits.monthly_cash_flow m USING (user_id)
 WHERE c.user_id = %(user_id)s ORDER BY m.month
