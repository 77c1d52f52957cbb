-- Snapshots that nobody used in so many days, removed where delete is true.
SELECT digest, as_of, users, bytes, in_database, used_at FROM limits.prune_snapshots(%(days)s, %(delete)s)
