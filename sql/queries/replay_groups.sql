-- The entries of a review, or all, by what they say that they were decided from: how many, and between which users.
-- One pass over the log itself: an entry that somebody put in may have no review, or none as of its date.
SELECT as_of, review_id, input_digest, policy_hash, code_version, currency::text AS currency, count(*) AS entries,
       min(user_id) AS first_user, max(user_id) AS last_user, (sum(count(*)) OVER ())::bigint AS total
  FROM limits.adjustment_log
 WHERE %(review_id)s::bigint IS NULL OR review_id = %(review_id)s::bigint
 GROUP BY as_of, review_id, input_digest, policy_hash, code_version, currency
 ORDER BY as_of, review_id, first_user, input_digest, policy_hash, code_version
