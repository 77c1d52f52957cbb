-- The credit lines of some users as they stood, by the log: just before a review decided them, or at the end of a date.
--
-- review_id NULL: at the end of as_of. Else before that review, whose date as_of is; a user it
-- did not decide stands where the user stood when it started. The version counts the changes
-- of a line, so it says up to which row of the log to read.
WITH review AS (
    SELECT coalesce(started_at, created_at) AS began_at
      FROM limits.reviews
     WHERE review_id = %(review_id)s::bigint
), place AS (
    SELECT a.user_id,
           coalesce((SELECT version_before FROM limits.adjustment_log
                      WHERE as_of = %(as_of)s AND review_id = %(review_id)s::bigint AND user_id = a.user_id),
                    (SELECT max(version_after) FROM limits.adjustment_log
                      WHERE user_id = a.user_id AND role = 'champion' AND as_of <= %(as_of)s
                        AND (%(review_id)s::bigint IS NULL OR decided_at < (SELECT began_at FROM review))),
                    0) AS version
      FROM unnest(%(user_ids)s::bigint[]) AS a (user_id)
)
SELECT p.user_id, p.version, coalesce(newest.limit_after_minor, c.opening_limit_minor) AS credit_limit,
       raised.as_of AS last_raise_on, cut.as_of AS last_cut_on, cut.limit_before_minor AS limit_before_cut,
       EXISTS (SELECT FROM limits.pending_changes w
                WHERE w.user_id = p.user_id
                  AND CASE WHEN %(review_id)s::bigint IS NULL
                           THEN w.as_of <= %(as_of)s
                                AND (w.ended_at IS NULL OR (w.ended_at AT TIME ZONE 'UTC')::date > %(as_of)s)
                           ELSE w.as_of < %(as_of)s
                                AND (w.ended_at IS NULL OR w.ended_at > (SELECT began_at FROM review)) END
              ) AS change_pending
  FROM place p
  JOIN limits.credit_lines c ON c.user_id = p.user_id
  LEFT JOIN LATERAL (
      SELECT limit_after_minor FROM limits.adjustment_log
       WHERE user_id = p.user_id AND role = 'champion' AND action <> 0 AND version_after <= p.version
       ORDER BY version_after DESC LIMIT 1) newest ON true
  LEFT JOIN LATERAL (
      SELECT as_of FROM limits.adjustment_log
       WHERE user_id = p.user_id AND role = 'champion' AND action > 0 AND version_after <= p.version
       ORDER BY version_after DESC LIMIT 1) raised ON true
  LEFT JOIN LATERAL (
      SELECT as_of, limit_before_minor FROM limits.adjustment_log
       WHERE user_id = p.user_id AND role = 'champion' AND action < 0 AND version_after <= p.version
       ORDER BY version_after DESC LIMIT 1) cut ON true
 ORDER BY p.user_id
