-- Ends all sessions of a person.
DELETE FROM limits_console.sessions WHERE actor = %(actor)s
