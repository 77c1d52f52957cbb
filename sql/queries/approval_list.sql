-- Proposals of policies and what became of them: of one number, of one pack, or all (NULL); oldest first.
SELECT a.approval_id, a.policy_hash, a.role, a.state, p.pack, p.effective_on, a.maker, a.maker_session, a.proposed_at,
       a.reason, a.checker, a.checker_session, a.decided_at, a.decided_reason, a.withdrawn_by, a.withdrawn_session,
       a.withdrawn_at, a.withdrawn_reason
  FROM limits_read.policy_approvals a
  JOIN limits_read.policies p ON p.policy_hash = a.policy_hash
 WHERE (%(approval_id)s::bigint IS NULL OR a.approval_id = %(approval_id)s)
   AND (%(pack)s::text IS NULL OR p.pack = %(pack)s)
 ORDER BY a.approval_id
