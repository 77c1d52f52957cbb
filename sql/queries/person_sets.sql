-- Each time that the reference of a user was set, the newest first; never the reference.
SELECT set_at, actor, session_role AS login
  FROM limits_read.person_sets
 WHERE user_id = %(user_id)s
 ORDER BY set_id DESC
