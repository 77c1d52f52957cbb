-- A user asks for an amount: the request's number, NULL where the key was used before.
SELECT limits.ask_for_limit(%(user_id)s, %(asked_on)s, %(amount_minor)s, %(currency)s, %(key)s, %(actor)s)
