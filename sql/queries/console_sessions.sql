-- Who is signed in, the newest first; of one person where named. number: what a session is called; it signs nobody in.
SELECT substr(encode(session_hash, 'hex'), 1, 16) AS number, actor, roles, how, created_at, idle_at, ends_at
  FROM limits_console.sessions
 WHERE idle_at > clock_timestamp() AND ends_at > clock_timestamp()
   AND (%(actor)s::text IS NULL OR actor = %(actor)s)
   AND (%(before)s::timestamptz IS NULL
        OR (created_at, substr(encode(session_hash, 'hex'), 1, 16)) < (%(before)s::timestamptz, %(number)s::text))
 ORDER BY created_at DESC, number DESC LIMIT %(limit)s
