-- The users of a reference, by its keyed digest.
SELECT user_id FROM limits.persons WHERE lookup = %(lookup)s ORDER BY user_id
