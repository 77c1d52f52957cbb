-- Ends a token at once; again changes nothing.
UPDATE limits_console.tokens SET revoked_by = %(by)s, revoked_at = clock_timestamp()
 WHERE token_id = %(token_id)s AND revoked_at IS NULL
