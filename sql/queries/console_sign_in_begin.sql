-- Somebody is sent to the identity provider; those who did not come back in time go.
WITH gone AS (DELETE FROM limits_console.sign_ins WHERE ends_at < clock_timestamp())
INSERT INTO limits_console.sign_ins (state_hash, verifier, nonce, ends_at)
VALUES (%(hash)s, %(verifier)s, %(nonce)s, clock_timestamp() + %(valid)s::interval)
