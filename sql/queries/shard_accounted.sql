-- How many users of a shard have a decision or an exception (invariant I2). Every transaction that applies counts
-- its decisions in the shard's row.
SELECT s.users_raised + s.users_held + s.users_lowered
     + (SELECT count(*) FROM limits.review_exceptions x
         WHERE x.review_id = s.review_id AND x.user_id BETWEEN s.user_from AND s.user_to
           AND x.user_id = ANY (s.user_ids)) AS accounted
  FROM limits.shards s
 WHERE s.review_id = %(review_id)s AND s.shard = %(shard)s
