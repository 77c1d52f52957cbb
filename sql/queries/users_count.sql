-- How many users there are.
SELECT count(*)
  FROM limits.users
