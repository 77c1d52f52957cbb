-- Ends a session by what it is called.
DELETE FROM limits_console.sessions
 WHERE substr(encode(session_hash, 'hex'), 1, 16) = %(number)s AND idle_at > clock_timestamp() AND ends_at > clock_timestamp()
RETURNING actor
