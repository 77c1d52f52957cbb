-- The machine of a token that counts today. That it was used is written once a minute at most.
WITH used AS (
    UPDATE limits_console.tokens SET used_at = clock_timestamp()
     WHERE token_hash = %(hash)s AND (used_at IS NULL OR used_at < clock_timestamp() - interval '1 minute'))
SELECT name, scopes FROM limits_console.tokens
 WHERE token_hash = %(hash)s AND revoked_at IS NULL AND ends_at > clock_timestamp()
