-- Where challengers came to nothing, and the newest error of each.
SELECT f.policy_hash, p.pack, p.effective_on, sum(f.users)::bigint AS users,
       (array_agg(f.error ORDER BY f.failure_id DESC))[1] AS error
  FROM limits.challenger_failures f
  JOIN limits.policies p ON p.policy_hash = f.policy_hash
 WHERE f.review_id = ANY (%(review_ids)s::bigint[])
 GROUP BY f.policy_hash, p.pack, p.effective_on
 ORDER BY p.pack, p.effective_on, f.policy_hash
