-- A new session of the console; those that are over go.
WITH gone AS (DELETE FROM limits_console.sessions WHERE ends_at < clock_timestamp() OR idle_at < clock_timestamp())
INSERT INTO limits_console.sessions (session_hash, actor, roles, how, csrf, idle_at, ends_at)
VALUES (%(hash)s, %(actor)s, %(roles)s::text[], %(how)s, %(csrf)s,
        clock_timestamp() + %(idle)s::interval, clock_timestamp() + %(longest)s::interval)
