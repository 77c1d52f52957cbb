-- Keeps the sealed reference of a user under a key of the user's own; what was kept before is gone.
SELECT limits.set_person(%(user_id)s, %(key)s, %(nonce)s, %(sealed)s, %(lookup)s, %(actor)s)
