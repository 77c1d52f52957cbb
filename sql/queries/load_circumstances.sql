-- What else was known on a date of some users: one row for each id asked for, in order.
--
-- As of the date: documents, consents, requests, frauds and overrides. Of documents of one day
-- the one with the greatest (source, source_id) counts as the newest. Of consents of one day
-- the one that was let in last counts, because a user may change his mind within the day;
-- within one import the withdrawal. The open change is, like the credit line, read as it is now.
--
-- An override that ended counts until the day it ended. hold is cap and floor at the limit there
-- is; of several the lowest cap and the highest floor count.
SELECT a.user_id,
       coalesce(d.status, 'unknown') AS documents, d.valid_until AS documents_valid_until,
       coalesce(raises.state, '') AS raises,
       coalesce(automation.state = 'withdrawn', false) AS automation_refused,
       requests.requests_90d,
       EXISTS (SELECT FROM limits.fraud_cases
                WHERE user_id = a.user_id AND confirmed_on <= %(as_of)s
                  AND (withdrawn_on IS NULL OR withdrawn_on > %(as_of)s)) AS confirmed_fraud,
       EXISTS (SELECT FROM limits.pending_changes WHERE user_id = a.user_id AND state = 'open') AS change_pending,
       overrides.cap AS override_cap, overrides.floor AS override_floor,
       coalesce(overrides.currency, '') AS override_currency
  FROM unnest(%(user_ids)s::bigint[]) AS a (user_id)
  LEFT JOIN LATERAL (
      SELECT status, valid_until FROM limits.documents
       WHERE user_id = a.user_id AND checked_on <= %(as_of)s
       ORDER BY checked_on DESC, source DESC, source_id DESC
       LIMIT 1) d ON true
  LEFT JOIN LATERAL (
      SELECT state FROM limits.consents
       WHERE user_id = a.user_id AND subject = 'raises' AND effective_on <= %(as_of)s
       ORDER BY effective_on DESC, ingested_at DESC, state = 'withdrawn' DESC
       LIMIT 1) raises ON true
  LEFT JOIN LATERAL (
      SELECT state FROM limits.consents
       WHERE user_id = a.user_id AND subject = 'automation' AND effective_on <= %(as_of)s
       ORDER BY effective_on DESC, ingested_at DESC, state = 'withdrawn' DESC
       LIMIT 1) automation ON true
  LEFT JOIN LATERAL (
      SELECT count(*) AS requests_90d FROM limits.limit_requests
       WHERE user_id = a.user_id AND asked_on > %(as_of)s::date - 90 AND asked_on <= %(as_of)s) requests ON true
  LEFT JOIN LATERAL (
      SELECT min(CASE o.kind WHEN 'hold' THEN c.limit_minor WHEN 'floor' THEN NULL ELSE o.amount_minor END) AS cap,
             max(CASE o.kind WHEN 'hold' THEN c.limit_minor WHEN 'cap' THEN NULL ELSE o.amount_minor END) AS floor,
             min(o.currency) FILTER (WHERE o.currency <> c.currency) AS currency
        FROM limits.overrides o
        JOIN limits.credit_lines c ON c.user_id = o.user_id
       WHERE o.user_id = a.user_id AND o.state IN ('approved', 'ended')
         AND (o.state = 'approved' OR o.ended_on > %(as_of)s)
         AND o.starts_on <= %(as_of)s AND o.expires_on > %(as_of)s) overrides ON true
 ORDER BY a.user_id
