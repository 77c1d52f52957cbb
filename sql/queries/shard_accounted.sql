-- How many users of a shard have a decision or an exception (invariant I2).
SELECT (SELECT count(*) FROM limits.adjustment_log l
         WHERE l.as_of = %(as_of)s AND l.review_id = %(review_id)s AND l.user_id = ANY (s.user_ids))
     + (SELECT count(*) FROM limits.review_exceptions x
         WHERE x.review_id = %(review_id)s AND x.user_id = ANY (s.user_ids)) AS accounted
  FROM limits.shards s
 WHERE s.review_id = %(review_id)s AND s.shard = %(shard)s
