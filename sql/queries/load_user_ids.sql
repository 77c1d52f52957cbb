-- Every user there is, but for those who were erased, in order.
SELECT user_id FROM limits.users u
 WHERE NOT EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = u.user_id)
 ORDER BY user_id
