-- The raises of all shards of a review, in order.
SELECT shard, users, body FROM limits.shard_raises WHERE review_id = %(review_id)s ORDER BY shard
