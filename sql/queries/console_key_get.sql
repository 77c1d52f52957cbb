-- What was asked with a key, and what was answered; no answer while it is under way, or where it was cut off.
SELECT digest, answer FROM limits_console.keys WHERE actor = %(actor)s AND key = %(key)s
