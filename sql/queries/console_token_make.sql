-- A token of a machine. No row where the name is taken: names stand in the log, so none is ever given again.
INSERT INTO limits_console.tokens (token_hash, name, scopes, created_by, ends_at)
VALUES (%(hash)s, %(name)s, %(scopes)s::text[], %(by)s, clock_timestamp() + make_interval(days => %(days)s::int))
ON CONFLICT (name) DO NOTHING RETURNING token_id
