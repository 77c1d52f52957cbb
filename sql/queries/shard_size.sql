-- Users per shard: at most what is asked for, and small enough that several workers get something to do.
SELECT greatest(least(%(shard_users)s, ceil(count(*) / 8.0)::bigint), 1) AS size
  FROM limits.users
