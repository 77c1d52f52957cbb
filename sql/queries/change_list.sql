-- Offered and announced changes: one by number, or the open ones (ended: all) after a number, of a user, due by a date.
SELECT p.change_id, p.entry_id, p.review_id, p.user_id, p.kind, p.as_of, p.currency, c.exponent::integer AS exponent,
       p.limit_minor, p.proposed_minor, p.effective_on, p.state, p.ended_at, p.ended_by, p.ended_reason,
       p.applied_review_id, o.pack
  FROM limits.pending_changes p
  JOIN limits.currencies c ON c.currency = p.currency
  JOIN limits.reviews r ON r.review_id = p.review_id
  JOIN limits.policies o ON o.policy_hash = r.policy_hash
 WHERE (%(change_id)s::bigint IS NULL OR p.change_id = %(change_id)s::bigint)
   AND (%(user_id)s::bigint IS NULL OR p.user_id = %(user_id)s::bigint)
   AND (%(ended)s OR p.state = 'open')
   AND (%(due_on)s::date IS NULL
        OR p.effective_on <= %(due_on)s::date AND (p.kind = 'announced' OR p.effective_on < %(due_on)s::date))
   AND p.change_id > %(after)s
 ORDER BY p.change_id
 LIMIT %(limit)s
