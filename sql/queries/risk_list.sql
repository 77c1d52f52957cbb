-- Proposals of risk models and what became of them: of one number, of hashes between two bounds, or all (NULL); oldest first.
SELECT a.approval_id, a.model_hash, a.effective_on, a.state, m.name, m.horizon_months, a.maker, a.maker_session,
       a.proposed_at, a.reason, a.checker, a.checker_session, a.decided_at, a.decided_reason, a.withdrawn_by,
       a.withdrawn_session, a.withdrawn_at, a.withdrawn_reason
  FROM limits_read.risk_approvals a
  JOIN limits_read.risk_models m ON m.model_hash = a.model_hash
 WHERE (%(approval_id)s::bigint IS NULL OR a.approval_id = %(approval_id)s)
   AND (%(low)s::bytea IS NULL OR a.model_hash BETWEEN %(low)s AND %(high)s)
 ORDER BY a.approval_id
