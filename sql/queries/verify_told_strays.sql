-- Notices and waiting changes of decisions that the log does not have.
SELECT 'notice' AS what, t.entry_id, t.user_id, t.review_id FROM limits_read.notices t
 WHERE NOT EXISTS (SELECT FROM limits_read.adjustment_log l WHERE l.entry_id = t.entry_id AND l.as_of = t.as_of)
UNION ALL
SELECT 'waiting change', t.entry_id, t.user_id, t.review_id FROM limits_read.pending_changes t
 WHERE NOT EXISTS (SELECT FROM limits_read.adjustment_log l WHERE l.entry_id = t.entry_id AND l.as_of = t.as_of)
 ORDER BY 2 LIMIT %(many)s
