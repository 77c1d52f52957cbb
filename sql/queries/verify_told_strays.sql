-- Notices and waiting changes of decisions that the log does not have; those of archived months are left out.
SELECT t.what, t.entry_id, t.user_id, t.review_id FROM (
    SELECT 'notice' AS what, n.entry_id, n.user_id, n.review_id, n.as_of FROM limits_read.notices n
    UNION ALL
    SELECT 'waiting change', w.entry_id, w.user_id, w.review_id, w.as_of FROM limits_read.pending_changes w) t
 WHERE NOT EXISTS (SELECT FROM limits_read.adjustment_log l WHERE l.entry_id = t.entry_id AND l.as_of = t.as_of)
   AND date_trunc('month', t.as_of::timestamp)::date NOT IN (SELECT month FROM limits_read.archived_months)
 ORDER BY 2 LIMIT %(many)s
