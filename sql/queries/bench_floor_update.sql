-- The limits of one shard, changed by one joined statement.
UPDATE bench.floor_credit_lines c
   SET limit_minor = d.limit_minor, version = c.version + 1,
       last_raise_on = CASE WHEN d.limit_minor > c.limit_minor THEN %(as_of)s ELSE c.last_raise_on END,
       last_cut_on = CASE WHEN d.limit_minor > c.limit_minor THEN c.last_cut_on ELSE %(as_of)s END
  FROM unnest(%(user_ids)s::bigint[], %(limits)s::bigint[]) AS d (user_id, limit_minor)
 WHERE c.user_id = d.user_id
