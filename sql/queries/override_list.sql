-- Overrides: of one number, of one user, in one state, or all (NULL); oldest first, after a number, so many at most.
SELECT o.override_id, o.user_id, o.kind, o.amount_minor, o.currency, c.exponent, o.reason, o.starts_on, o.expires_on,
       o.state, o.maker, o.proposed_at, o.checker, o.decided_at, o.decided_reason, o.ended_by, o.ended_on,
       o.ended_reason
  FROM limits_read.overrides o
  JOIN limits_read.currencies c ON c.currency = o.currency
 WHERE (%(override_id)s::bigint IS NULL OR o.override_id = %(override_id)s)
   AND (%(user_id)s::bigint IS NULL OR o.user_id = %(user_id)s)
   AND (%(state)s::text IS NULL OR o.state = %(state)s)
   AND o.override_id > %(after)s::bigint
 ORDER BY o.override_id
 LIMIT %(limit)s::bigint
