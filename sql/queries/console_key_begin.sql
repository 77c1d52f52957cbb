-- Takes a key for a write: one row for whoever is first. Those older than a day go.
WITH gone AS (
    DELETE FROM limits_console.keys
     WHERE began_at < clock_timestamp() - interval '1 day' AND (actor, key) <> (%(actor)s::text, %(key)s::text))
INSERT INTO limits_console.keys (actor, key, digest) VALUES (%(actor)s, %(key)s, %(digest)s)
ON CONFLICT DO NOTHING RETURNING 1
