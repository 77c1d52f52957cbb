-- Policies approved to be tried in the shadow as of a date: of each pack the one in force, and never the champion itself.
SELECT DISTINCT ON (p.pack) p.policy_hash, p.pack, p.effective_on, p.body
  FROM limits.policy_approvals a
  JOIN limits.policies p ON p.policy_hash = a.policy_hash
 WHERE a.role = 'challenger' AND a.state = 'approved' AND p.effective_on <= %(as_of)s
   AND p.policy_hash <> %(champion)s
 ORDER BY p.pack, p.effective_on DESC, a.approval_id DESC
