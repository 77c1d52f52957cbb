-- What was known on a date of some users whose ids lie between two, but for statements, repayments and months, as
-- load_users and load_circumstances say it: arrays, one entry for each user there is. Where there is
-- nothing: -1, '-infinity' or an empty text.
--
-- Codes are places in the lists given, -1 for none of them. A text is so many characters of the
-- texts of all, one after the other; one of ASCII alone is normal as it is.
SELECT array_agg(u.user_id) AS user_id, array_agg(u.opened_on) AS opened_on,
       convert_to(string_agg(u.currency::text, ''), 'UTF8') AS currency,
       array_agg(coalesce(p.effective_on, '-infinity')) AS effective_on,
       array_agg(coalesce(array_position(%(status)s::text[], p.status) - 1, -1)) AS status,
       array_agg(coalesce(array_position(%(identity)s::text[], p.identity_status) - 1, -1)) AS identity,
       array_agg(coalesce(array_position(%(income)s::text[], p.income_status) - 1, -1)) AS income,
       array_agg(coalesce(array_position(%(documents)s::text[], coalesce(d.status, 'unknown')) - 1, -1)) AS documents,
       array_agg(coalesce(p.identity_checked_on, '-infinity')) AS identity_checked_on,
       array_agg(coalesce(p.income_verified_on, '-infinity')) AS income_verified_on,
       array_agg(coalesce(p.raise_consent, false)) AS raise_consent, array_agg(coalesce(p.watched, false)) AS watched,
       convert_to(string_agg(coalesce(p.segment, ''), ''), 'UTF8') AS segment,
       array_agg(coalesce(length(p.segment), 0)) AS segment_length,
       convert_to(string_agg(coalesce(p.industry, ''), ''), 'UTF8') AS industry,
       array_agg(coalesce(length(p.industry), 0)) AS industry_length,
       convert_to(string_agg(coalesce(p.jurisdiction, ''), ''), 'UTF8') AS jurisdiction,
       array_agg(coalesce(length(p.jurisdiction), 0)) AS jurisdiction_length,
       array_agg(coalesce(k.checked_on, '-infinity')) AS checked_on,
       array_agg(coalesce(k.active_lenders, -1)) AS active_lenders, array_agg(coalesce(k.inquiries, -1)) AS inquiries,
       array_agg(coalesce(k.outside_debt_minor, -1)) AS outside_debt,
       array_agg(coalesce(k.outside_monthly_payment_minor, -1)) AS outside_monthly_payment,
       array_agg(coalesce(d.checked_on, '-infinity')) AS documents_on,
       array_agg(coalesce(d.valid_until, '-infinity')) AS documents_valid_until,
       array_agg(coalesce(r.state = 'given', false)) AS raises_given,
       array_agg(coalesce(r.state = 'withdrawn', false)) AS raises_withdrawn,
       array_agg(coalesce(m.state = 'withdrawn', false)) AS automation_refused,
       array_agg(coalesce(greatest(r.effective_on, m.effective_on), '-infinity')) AS consent_on,
       array_agg(coalesce((latest.occurred_at AT TIME ZONE 'UTC')::date, '-infinity')) AS last_event_on,
       array_agg(coalesce((earliest.occurred_at AT TIME ZONE 'UTC')::date, '-infinity')) AS first_event_on,
       array_agg(coalesce((coming.occurred_at AT TIME ZONE 'UTC')::date, '-infinity')) AS next_event_on
  FROM limits.users u
  LEFT JOIN (
      SELECT DISTINCT ON (user_id) user_id, effective_on, status, identity_status, identity_checked_on, income_status,
             income_verified_on, raise_consent, observed_from IS NOT NULL AND observed_through IS NOT NULL AS watched,
             CASE WHEN octet_length(segment) = length(segment) THEN segment ELSE normalize(segment) END AS segment,
             CASE WHEN octet_length(industry) = length(industry) THEN industry ELSE normalize(industry) END AS industry,
             CASE WHEN octet_length(jurisdiction) = length(jurisdiction) THEN jurisdiction
                  ELSE normalize(jurisdiction) END AS jurisdiction
        FROM limits.user_profiles
       WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
         AND effective_on <= %(as_of)s
       ORDER BY user_id, effective_on DESC) p ON p.user_id = u.user_id
  LEFT JOIN (
      SELECT DISTINCT ON (user_id) user_id, checked_on, active_lenders, inquiries, outside_debt_minor,
             outside_monthly_payment_minor
        FROM limits.credit_checks
       WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
         AND checked_on <= %(as_of)s
       ORDER BY user_id, checked_on DESC, source DESC, source_id DESC) k ON k.user_id = u.user_id
  LEFT JOIN (
      SELECT DISTINCT ON (user_id) user_id, checked_on, status, valid_until
        FROM limits.documents
       WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
         AND checked_on <= %(as_of)s
       ORDER BY user_id, checked_on DESC, source DESC, source_id DESC) d ON d.user_id = u.user_id
  LEFT JOIN (
      SELECT DISTINCT ON (user_id) user_id, effective_on, state
        FROM limits.consents
       WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
         AND subject = 'raises' AND effective_on <= %(as_of)s
       ORDER BY user_id, effective_on DESC, ingested_at DESC, state = 'withdrawn' DESC) r ON r.user_id = u.user_id
  LEFT JOIN (
      SELECT DISTINCT ON (user_id) user_id, effective_on, state
        FROM limits.consents
       WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
         AND subject = 'automation' AND effective_on <= %(as_of)s
       ORDER BY user_id, effective_on DESC, ingested_at DESC, state = 'withdrawn' DESC) m ON m.user_id = u.user_id
  LEFT JOIN LATERAL (
      SELECT occurred_at FROM limits.events
       WHERE user_id = u.user_id AND occurred_at < %(ends_at)s
       ORDER BY occurred_at DESC
       LIMIT 1) latest ON true
  -- Only where no window says which months are whole.
  LEFT JOIN LATERAL (
      SELECT occurred_at FROM limits.events
       WHERE user_id = u.user_id AND occurred_at < %(ends_at)s AND p.watched IS NOT TRUE
       ORDER BY occurred_at
       LIMIT 1) earliest ON true
  LEFT JOIN LATERAL (
      SELECT occurred_at FROM limits.events
       WHERE user_id = u.user_id AND occurred_at >= %(ends_at)s
       ORDER BY occurred_at
       LIMIT 1) coming ON true
 WHERE u.user_id BETWEEN %(first)s AND %(last)s AND u.user_id = ANY (%(user_ids)s::bigint[])
