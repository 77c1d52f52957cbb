-- The next users in the order of their ids.
SELECT user_id
  FROM limits.users
 WHERE user_id > %(after)s
 ORDER BY user_id
 LIMIT %(limit)s
