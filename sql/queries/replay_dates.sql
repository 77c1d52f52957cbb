-- The dates that the log has entries of a review of; more than one only where somebody wrote there.
WITH RECURSIVE dates AS (
    (SELECT as_of FROM limits.adjustment_log ORDER BY as_of LIMIT 1)
    UNION ALL
    SELECT (SELECT l.as_of FROM limits.adjustment_log l WHERE l.as_of > d.as_of ORDER BY l.as_of LIMIT 1)
      FROM dates d
     WHERE d.as_of IS NOT NULL
)
SELECT d.as_of
  FROM dates d
 WHERE EXISTS (SELECT FROM limits.adjustment_log l WHERE l.as_of = d.as_of AND l.review_id = %(review_id)s::bigint)
 ORDER BY d.as_of
