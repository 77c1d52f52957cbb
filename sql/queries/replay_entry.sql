-- The same of one entry by its number.
SELECT as_of, review_id, input_digest, policy_hash, code_version, currency::text AS currency, 1::bigint AS entries,
       user_id AS first_user, user_id AS last_user, count(*) OVER () AS total
  FROM limits.adjustment_log
 WHERE entry_id = %(entry_id)s
 ORDER BY as_of, review_id, user_id
