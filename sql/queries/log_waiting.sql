-- The offered and announced changes of a user that were open at the end of a date.
--
-- A change that a decision carried out or took the place of ended on the date of that decision, as the limit
-- changed on it, whenever that was decided; any other one ended when somebody said so.
SELECT w.change_id, w.entry_id, w.review_id, w.user_id, w.kind, w.as_of, w.currency, c.exponent::integer AS exponent,
       w.limit_minor, w.proposed_minor, w.effective_on, w.state, w.ended_at, w.ended_by, w.ended_reason,
       w.applied_review_id, p.pack
  FROM (SELECT e.entry_id, e.user_id, e.policy_hash FROM limits_read.adjustment_log e
         WHERE e.user_id = %(user_id)s::bigint AND e.disposition <> 0 AND e.as_of <= %(as_of)s::date
        UNION ALL
        -- Of archived entries; not looked for where no month is archived.
        SELECT c.entry_id, c.user_id, r.policy_hash
          FROM limits_read.pending_changes c JOIN limits_read.reviews r ON r.review_id = c.review_id
         WHERE c.user_id = %(user_id)s::bigint AND c.as_of < (SELECT limits.log_begins())
           AND (SELECT limits.log_begins()) > '-infinity') l
  JOIN limits_read.pending_changes w ON w.entry_id = l.entry_id
  JOIN limits_read.policies p ON p.policy_hash = l.policy_hash
  JOIN limits_read.currencies c ON c.currency = w.currency
 WHERE (w.ended_at IS NULL
        OR %(as_of)s::date < coalesce((SELECT min(e.as_of) FROM limits_read.adjustment_log e
                                         JOIN limits_read.reviews r ON r.review_id = e.review_id
                                        WHERE e.user_id = l.user_id AND r.change_id = w.change_id),
                                      (w.ended_at AT TIME ZONE 'UTC')::date))
 ORDER BY w.change_id
