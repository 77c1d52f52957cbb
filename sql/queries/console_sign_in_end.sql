-- Somebody came back: what was kept is given out once, whatever comes of it.
DELETE FROM limits_console.sign_ins WHERE state_hash = %(hash)s RETURNING verifier, nonce, ends_at > clock_timestamp()
