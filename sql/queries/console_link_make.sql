-- A link that signs in once; those that are over go.
WITH gone AS (DELETE FROM limits_console.links WHERE ends_at < clock_timestamp())
INSERT INTO limits_console.links (link_hash, actor, roles, ends_at)
VALUES (%(hash)s, %(actor)s, %(roles)s::text[], clock_timestamp() + %(valid)s::interval)
