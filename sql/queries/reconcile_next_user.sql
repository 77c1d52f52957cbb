-- The user with whom the next range ends: so many after one; no row when fewer are left.
SELECT user_id
  FROM limits.opening_lines
 WHERE user_id > %(after)s
 ORDER BY user_id
OFFSET %(users)s - 1
 LIMIT 1
