-- The text of a policy by its hash.
SELECT body
  FROM limits_read.policies
 WHERE policy_hash = %(policy_hash)s
