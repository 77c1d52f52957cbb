-- For limits.bench.partitions: a shard read by its range of ids, in their order, as far as the server goes.
SELECT count(*), sum(length(packed)), sum(limit_minor)
  FROM (SELECT user_id, p.packed, c.limit_minor
          FROM packed_users p
          JOIN credit_lines c USING (user_id)
         WHERE p.user_id BETWEEN %(first)s AND %(last)s
           -- Said of both: what bounds one side of a join does not bound the other.
           AND c.user_id BETWEEN %(first)s AND %(last)s
         ORDER BY user_id
        OFFSET 0) shard
