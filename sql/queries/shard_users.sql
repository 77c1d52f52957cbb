-- Every user of a shard, in order.
SELECT unnest(user_ids) AS user_id
  FROM limits.shards
 WHERE review_id = %(review_id)s AND shard = %(shard)s
 ORDER BY 1
