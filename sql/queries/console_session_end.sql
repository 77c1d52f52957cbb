-- A session that its person ended.
DELETE FROM limits_console.sessions WHERE session_hash = %(hash)s
