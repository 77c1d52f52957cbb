-- For limits.bench.partitions: a shard read by the list of its ids without bounds, in their order, as far as the server goes.
SELECT count(*), sum(length(packed)), sum(limit_minor)
  FROM (SELECT user_id, p.packed, c.limit_minor
          FROM unnest(%(user_ids)s::bigint[]) AS wanted (user_id)
          JOIN packed_users p USING (user_id)
          JOIN credit_lines c USING (user_id)
         ORDER BY user_id
        OFFSET 0) shard
