-- Who stood for an entry before it was made: who proposed and who approved its policy, by the approval that counted then,
-- and who released its review where the gate held it; oldest first. These tables are no part of what is signed.
WITH made AS (
    SELECT l.review_id, l.policy_hash, l.decided_at
      FROM limits_read.adjustment_log l
     WHERE l.entry_id = %(entry_id)s::bigint
), approved AS (
    SELECT a.*
      FROM made m
      JOIN limits_read.policy_approvals a ON a.policy_hash = m.policy_hash AND a.role = 'champion'
     WHERE a.checker IS NOT NULL AND a.state <> 'rejected' AND a.decided_at <= m.decided_at
     ORDER BY a.decided_at DESC
     LIMIT 1
)
SELECT 'proposed' AS what, proposed_at AS at, maker AS actor, maker_session AS login, reason FROM approved
UNION ALL
SELECT 'approved', decided_at, checker, checker_session, decided_reason FROM approved
UNION ALL
SELECT 'released', g.at, g.actor, g.session_role, g.reason
  FROM made m
  JOIN limits_read.gate_events g ON g.review_id = m.review_id AND g.what = 'released' AND g.at <= m.decided_at
 ORDER BY at
