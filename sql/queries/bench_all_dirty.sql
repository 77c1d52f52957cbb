-- As if an import had brought something new of every user.
INSERT INTO limits.dirty_users (user_id) SELECT user_id FROM limits.users
