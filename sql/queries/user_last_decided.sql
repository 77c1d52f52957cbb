-- When a user was opened, and the newest date a decision about the user was made for.
SELECT u.user_id, u.opened_on,
       (SELECT max(as_of) FROM limits.adjustment_log l WHERE l.user_id = u.user_id) AS last_as_of
  FROM limits.users u
 WHERE u.user_id = %(user_id)s
