-- The texts of all policies that anything was decided by.
SELECT policy_hash, body
  FROM limits_read.policies
