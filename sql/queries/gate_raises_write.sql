-- The raises that a shard decided, for the budget.
INSERT INTO limits.shard_raises (review_id, shard, users, body)
VALUES (%(review_id)s, %(shard)s, %(users)s, %(body)b)
