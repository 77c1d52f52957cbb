-- The raises of a shard and what the budget left of them.
SELECT users, body, granted
  FROM limits.shard_raises
 WHERE review_id = %(review_id)s AND shard = %(shard)s AND granted IS NOT NULL
