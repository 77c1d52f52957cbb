-- Uses a link up: a row once, and never again.
UPDATE limits_console.links SET used_at = clock_timestamp()
 WHERE link_hash = %(hash)s AND used_at IS NULL AND ends_at > clock_timestamp()
RETURNING actor, roles
