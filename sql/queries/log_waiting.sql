-- The offered and announced changes of a user that were open at the end of a date.
--
-- A change that a decision carried out or took the place of ended on the date of that decision, as the limit
-- changed on it, whenever that was decided; any other one ended when somebody said so.
SELECT w.change_id, w.entry_id, w.review_id, w.user_id, w.kind, w.as_of, w.currency, c.exponent::integer AS exponent,
       w.limit_minor, w.proposed_minor, w.effective_on, w.state, w.ended_at, w.ended_by, w.ended_reason,
       w.applied_review_id, p.pack
  FROM limits.adjustment_log l
  JOIN limits.pending_changes w ON w.entry_id = l.entry_id
  JOIN limits.policies p ON p.policy_hash = l.policy_hash
  JOIN limits.currencies c ON c.currency = w.currency
 WHERE l.user_id = %(user_id)s::bigint
   AND l.disposition <> 0
   AND l.as_of <= %(as_of)s::date
   AND (w.ended_at IS NULL
        OR %(as_of)s::date < coalesce((SELECT min(e.as_of) FROM limits.adjustment_log e
                                         JOIN limits.reviews r ON r.review_id = e.review_id
                                        WHERE e.user_id = l.user_id AND r.change_id = w.change_id),
                                      (w.ended_at AT TIME ZONE 'UTC')::date))
 ORDER BY w.change_id
