-- Overrides: of one number, of one user, or all (NULL); oldest first.
SELECT o.override_id, o.user_id, o.kind, o.amount_minor, o.currency, c.exponent, o.reason, o.starts_on, o.expires_on,
       o.state, o.maker, o.proposed_at, o.checker, o.decided_at, o.decided_reason, o.ended_by, o.ended_on,
       o.ended_reason
  FROM limits_read.overrides o
  JOIN limits_read.currencies c ON c.currency = o.currency
 WHERE (%(override_id)s::bigint IS NULL OR o.override_id = %(override_id)s)
   AND (%(user_id)s::bigint IS NULL OR o.user_id = %(user_id)s)
 ORDER BY o.override_id
