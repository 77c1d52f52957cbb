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
    SELECT a.user_id, coalesce(own.decided_at, (SELECT began_at FROM review)) AS moment,
           coalesce(own.version_before,
                    (SELECT max(version_after) FROM limits.adjustment_log
                      WHERE user_id = a.user_id AND role = 'champion' AND as_of <= %(as_of)s
                        AND (%(review_id)s::bigint IS NULL OR decided_at < (SELECT began_at FROM review))),
                    (SELECT max(k.version_after) FROM limits.archived_lines k WHERE k.user_id = a.user_id),
                    0) AS version
      FROM unnest(%(user_ids)s::bigint[]) AS a (user_id)
      LEFT JOIN limits.adjustment_log own
        ON own.as_of = %(as_of)s AND own.review_id = %(review_id)s::bigint AND own.user_id = a.user_id
)
SELECT p.user_id, p.version,
       coalesce(newest.limit_after_minor, kept.limit_after_minor, c.opening_limit_minor) AS credit_limit,
       coalesce(raised.as_of, kept.last_raise_on) AS last_raise_on, coalesce(cut.as_of, kept.last_cut_on) AS last_cut_on,
       coalesce(cut.limit_before_minor, kept.before_cut_minor) AS limit_before_cut,
       -- An offered or announced change that was made by then and had not ended.
       EXISTS (SELECT FROM limits.pending_changes w JOIN limits.reviews r USING (review_id)
                WHERE w.user_id = p.user_id AND w.as_of <= %(as_of)s
                  AND CASE WHEN %(review_id)s::bigint IS NULL
                           THEN w.ended_at IS NULL OR (w.ended_at AT TIME ZONE 'UTC')::date > %(as_of)s
                           ELSE w.review_id <> %(review_id)s::bigint
                                AND coalesce(r.started_at, r.created_at) < p.moment
                                AND (w.ended_at IS NULL OR w.ended_at > p.moment) END
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
  -- What the log goes on from, where its beginning is archived.
  LEFT JOIN LATERAL (
      SELECT (array_agg(k.limit_after_minor ORDER BY k.month DESC))[1] AS limit_after_minor,
             max(k.last_raise_on) AS last_raise_on, max(k.last_cut_on) AS last_cut_on,
             (array_agg(k.before_cut_minor ORDER BY k.month DESC) FILTER (WHERE k.last_cut_on IS NOT NULL))[1]
                 AS before_cut_minor
        FROM limits.archived_lines k
       WHERE k.user_id = p.user_id AND k.version_after <= p.version) kept ON true
 ORDER BY p.user_id
