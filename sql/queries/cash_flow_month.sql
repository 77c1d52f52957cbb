-- Takes the marks of one month and writes that month anew for the users they name.
--
-- One statement, one snapshot: what is deleted as done is what was read. A mark committed
-- later is not seen, stays, and is taken by the next refresh; so is the event it stands for.
-- Sums are cut off at 2^62, far above any amount that is let in: a decision refuses them
-- for that user alone, where a failed cast would stop the refresh for everybody.
WITH taken AS (
    DELETE FROM limits.dirty_months WHERE month = %(month)s RETURNING user_id
), cells AS (
    SELECT DISTINCT user_id FROM taken
), profiles AS (
    -- Each profile holds from its date to the day before the next one's.
    SELECT p.user_id, p.observed_from, p.observed_through,
           daterange(p.effective_on, lead(p.effective_on) OVER (PARTITION BY p.user_id ORDER BY p.effective_on)) AS held
      FROM cells
      JOIN limits.user_profiles p USING (user_id)
), pieces (user_id, kind, amount_minor, held) AS (
    SELECT e.user_id, e.kind, e.amount_minor, NULL::daterange
      FROM cells
      JOIN limits.events e USING (user_id)
     WHERE e.occurred_at >= %(starts_at)s AND e.occurred_at < %(ends_at)s
    UNION ALL
    SELECT s.user_id, 'due', s.amount_due_minor, NULL
      FROM cells
      JOIN limits.statements s USING (user_id)
     WHERE s.due_on BETWEEN %(month)s AND %(last_day)s
    UNION ALL
    SELECT r.user_id, 'repaid', r.amount_minor, NULL
      FROM cells
      JOIN limits.repayments r USING (user_id)
     WHERE r.paid_on BETWEEN %(month)s AND %(last_day)s
    UNION ALL
    SELECT user_id, 'window', NULL, held
      FROM profiles
     WHERE observed_from <= %(month)s AND observed_through >= %(last_day)s
), summed AS (
    -- A month of which nobody knows anything has no piece, and so no row.
    SELECT user_id, coalesce(range_agg(held), '{}') AS observed_as_of,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'income'), 0) AS inflow,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'essential'), 0) AS essential,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'discretionary'), 0) AS discretionary,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'fee'), 0) AS fees,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'penalty'), 0) AS penalties,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'obligation'), 0) AS obligations,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'due'), 0) AS amount_due,
           coalesce(sum(amount_minor) FILTER (WHERE kind = 'repaid'), 0) AS repaid
      FROM pieces
     GROUP BY user_id
)
INSERT INTO limits.monthly_cash_flow AS m (
    user_id, month, observed, observed_as_of, inflow_minor, essential_minor, discretionary_minor, fees_minor,
    penalties_minor, obligations_minor, amount_due_minor, repaid_minor)
SELECT user_id, %(month)s, upper_inf(observed_as_of), observed_as_of,
       least(inflow, 2::numeric ^ 62)::bigint, least(essential, 2::numeric ^ 62)::bigint,
       least(discretionary, 2::numeric ^ 62)::bigint, least(fees, 2::numeric ^ 62)::bigint,
       least(penalties, 2::numeric ^ 62)::bigint, least(obligations, 2::numeric ^ 62)::bigint,
       least(amount_due, 2::numeric ^ 62)::bigint, least(repaid, 2::numeric ^ 62)::bigint
  FROM summed
 ORDER BY user_id
ON CONFLICT (user_id, month) DO UPDATE
   SET observed = excluded.observed,
       observed_as_of = excluded.observed_as_of,
       inflow_minor = excluded.inflow_minor,
       essential_minor = excluded.essential_minor,
       discretionary_minor = excluded.discretionary_minor,
       fees_minor = excluded.fees_minor,
       penalties_minor = excluded.penalties_minor,
       obligations_minor = excluded.obligations_minor,
       amount_due_minor = excluded.amount_due_minor,
       repaid_minor = excluded.repaid_minor,
       updated_at = now()
 WHERE (m.observed_as_of, m.inflow_minor, m.essential_minor, m.discretionary_minor, m.fees_minor,
        m.penalties_minor, m.obligations_minor, m.amount_due_minor, m.repaid_minor)
       IS DISTINCT FROM
       (excluded.observed_as_of, excluded.inflow_minor, excluded.essential_minor, excluded.discretionary_minor,
        excluded.fees_minor, excluded.penalties_minor, excluded.obligations_minor, excluded.amount_due_minor,
        excluded.repaid_minor)
