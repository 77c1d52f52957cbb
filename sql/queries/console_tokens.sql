-- Tokens of machines, the newest first, those that are over too.
SELECT token_id, name, scopes, created_by, created_at, ends_at, used_at, revoked_by, revoked_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN ends_at <= clock_timestamp() THEN 'over' ELSE 'good' END AS state
  FROM limits_console.tokens
 WHERE (%(before)s::bigint IS NULL OR token_id < %(before)s) AND (%(token_id)s::bigint IS NULL OR token_id = %(token_id)s)
 ORDER BY token_id DESC LIMIT %(limit)s
