-- Cuts the users there are now, but for those who were erased, into shards by ranges of their ids. starts: the place of
-- each shard's first user among them, from 1 on.
WITH numbered AS (
    SELECT user_id, width_bucket(row_number() OVER (ORDER BY user_id), %(starts)s::bigint[]) - 1 AS shard
      FROM limits.users u
     WHERE NOT EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = u.user_id)
), planned AS (
    INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total)
    SELECT %(review_id)s, shard, min(user_id), max(user_id), array_agg(user_id ORDER BY user_id), count(*)
      FROM numbered
     GROUP BY shard
    RETURNING users_total
)
SELECT coalesce(sum(users_total), 0)::bigint AS users_total, count(*) AS shards
  FROM planned
