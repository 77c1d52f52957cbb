-- A key whose write was not done: it may be tried again.
DELETE FROM limits_console.keys WHERE actor = %(actor)s AND key = %(key)s AND answer IS NULL
