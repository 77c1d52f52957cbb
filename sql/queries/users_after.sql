-- The next users in the order of their ids; those who were erased are left out.
SELECT user_id
  FROM limits.users u
 WHERE user_id > %(after)s
   AND NOT EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = u.user_id)
 ORDER BY user_id
 LIMIT %(limit)s
