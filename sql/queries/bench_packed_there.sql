-- Whether this schema has packed users.
SELECT to_regclass('limits.packed_users') IS NOT NULL
