-- The answer that every later request with the key gets.
UPDATE limits_console.keys SET answer = %(answer)s::jsonb WHERE actor = %(actor)s AND key = %(key)s
