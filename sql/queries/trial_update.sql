-- For limits.bench.partitions: one user in five of a shard gets another limit, in one joined statement.
UPDATE credit_lines c
   SET limit_minor = c.limit_minor + 100, version = c.version + 1, last_raise_on = DATE '2026-01-02'
  FROM unnest(%(user_ids)s::bigint[]) AS wanted (user_id)
 WHERE c.user_id = wanted.user_id
   AND c.user_id BETWEEN %(first)s AND %(last)s
