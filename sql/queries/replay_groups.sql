-- The entries of a review by what they say that they were decided from: how many, and between which users.
SELECT as_of, review_id, input_digest, policy_hash, code_version, currency::text AS currency, count(*) AS entries,
       min(user_id) AS first_user, max(user_id) AS last_user
  FROM limits.adjustment_log
 WHERE as_of = %(as_of)s AND review_id = %(review_id)s
 GROUP BY as_of, review_id, input_digest, policy_hash, code_version, currency
 ORDER BY first_user, input_digest, policy_hash, code_version
