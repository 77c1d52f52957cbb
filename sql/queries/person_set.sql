-- Keeps the sealed reference of a user under a key of the user's own; what was kept before is gone.
COPY limits.person_intake (user_id, key, nonce, sealed, lookup, actor) FROM STDIN (FORMAT binary)
