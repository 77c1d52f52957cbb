-- Of a pack the approved policy that is in force on a date.
SELECT p.policy_hash
  FROM limits_read.policies p
  JOIN limits_read.policy_approvals a ON a.policy_hash = p.policy_hash AND a.role = 'champion' AND a.state = 'approved'
 WHERE p.pack = %(pack)s AND p.effective_on <= %(as_of)s
 ORDER BY p.effective_on DESC
 LIMIT 1
