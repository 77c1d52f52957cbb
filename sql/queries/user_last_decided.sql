-- When a user was opened, the newest date a decision about the user was made for, and when the user was erased, if so.
SELECT u.user_id, u.opened_on,
       (SELECT max(as_of) FROM limits.adjustment_log l WHERE l.user_id = u.user_id) AS last_as_of,
       (SELECT (e.erased_at AT TIME ZONE 'UTC')::date FROM limits.erasures e WHERE e.user_id = u.user_id) AS erased_on
  FROM limits.users u
 WHERE u.user_id = %(user_id)s
