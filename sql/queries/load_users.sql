-- What was known on a date of some users: one row for each id asked for, in order.
--
-- Profile, statements, credit check and events as of the date; the credit line as it is
-- now, because its version is checked again when the decision is applied. Of rows of one
-- day the one with the greatest (source, source_id) counts as the newest: the same
-- whichever was imported first. A balance of exactly -1 is given as 0, because -1 stands
-- for "no statement".
SELECT a.user_id, u.user_id IS NOT NULL AS known, u.currency, u.opened_on,
       c.currency AS line_currency, c.opened_on AS line_opened_on, c.limit_minor AS credit_limit, c.version,
       c.last_raise_on, c.last_cut_on, c.limit_before_cut_minor AS limit_before_cut,
       p.effective_on, p.status, normalize(p.segment) AS segment, normalize(p.industry) AS industry,
       normalize(p.jurisdiction) AS jurisdiction,
       p.observed_from IS NOT NULL AND p.observed_through IS NOT NULL AS watched,
       p.identity_status AS identity, p.identity_checked_on, p.income_status AS income, p.income_verified_on,
       p.raise_consent,
       CASE s.balance WHEN -1 THEN 0 ELSE s.balance END AS balance,
       CASE s.average_balance WHEN -1 THEN 0 ELSE s.average_balance END AS average_balance,
       s.statements_seen, s.last_used_on,
       (earliest.occurred_at AT TIME ZONE 'UTC')::date AS first_event_on,
       (latest.occurred_at AT TIME ZONE 'UTC')::date AS last_event_on,
       k.active_lenders, k.inquiries, k.outside_debt_minor AS outside_debt,
       k.outside_monthly_payment_minor AS outside_monthly_payment, k.checked_on
  FROM unnest(%(user_ids)s::bigint[]) AS a (user_id)
  LEFT JOIN limits.users u ON u.user_id = a.user_id
  LEFT JOIN limits.credit_lines c ON c.user_id = a.user_id
  LEFT JOIN LATERAL (
      SELECT * FROM limits.user_profiles
       WHERE user_id = u.user_id AND effective_on <= %(as_of)s
       ORDER BY effective_on DESC
       LIMIT 1) p ON true
  LEFT JOIN LATERAL (
      SELECT count(*) AS statements_seen,
             max(balance_minor) FILTER (WHERE place = 1) AS balance,
             round(avg(balance_minor) FILTER (WHERE place <= 3))::bigint AS average_balance,
             max(statement_on) FILTER (WHERE balance_minor > 0) AS last_used_on
        FROM (SELECT statement_on, balance_minor,
                     row_number() OVER (ORDER BY statement_on DESC, source DESC, source_id DESC) AS place
                FROM limits.statements
               WHERE user_id = u.user_id AND statement_on <= %(as_of)s) numbered) s ON true
  LEFT JOIN LATERAL (
      SELECT * FROM limits.credit_checks
       WHERE user_id = u.user_id AND checked_on <= %(as_of)s
       ORDER BY checked_on DESC, source DESC, source_id DESC
       LIMIT 1) k ON true
  LEFT JOIN LATERAL (
      SELECT occurred_at FROM limits.events
       WHERE user_id = u.user_id AND occurred_at < %(ends_at)s
       ORDER BY occurred_at DESC
       LIMIT 1) latest ON true
  -- Only where no window says which months are whole.
  LEFT JOIN LATERAL (
      SELECT occurred_at FROM limits.events
       WHERE user_id = u.user_id AND occurred_at < %(ends_at)s
         AND (p.observed_from IS NULL OR p.observed_through IS NULL)
       ORDER BY occurred_at
       LIMIT 1) earliest ON true
 ORDER BY a.user_id
