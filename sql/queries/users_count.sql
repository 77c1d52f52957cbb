-- How many users there are, those who were erased left out.
SELECT count(*)
  FROM limits.users u
 WHERE NOT EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = u.user_id)
