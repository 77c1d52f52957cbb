-- The policies of a pack, or those whose hash lies between two (NULL = none does).
SELECT policy_hash, pack, effective_on
  FROM limits_read.policies
 WHERE pack = %(pack)s
    OR policy_hash BETWEEN %(low)s::bytea AND %(high)s::bytea
 ORDER BY effective_on, policy_hash
