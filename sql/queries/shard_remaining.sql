-- Users of a shard that have neither a decision nor an exception in this review yet.
SELECT u.user_id
  FROM limits.shards s
 CROSS JOIN LATERAL unnest(s.user_ids) AS u(user_id)
 WHERE s.review_id = %(review_id)s AND s.shard = %(shard)s
   AND NOT EXISTS (SELECT FROM limits.adjustment_log l
                    WHERE l.as_of = %(as_of)s AND l.review_id = %(review_id)s AND l.user_id = u.user_id)
   AND NOT EXISTS (SELECT FROM limits.review_exceptions x
                    WHERE x.review_id = %(review_id)s AND x.user_id = u.user_id)
 ORDER BY u.user_id
