-- A challenger came to nothing for some users of a shard, and why.
INSERT INTO limits.challenger_failures (review_id, shard, policy_hash, users, user_from, error)
VALUES (%(review_id)s, %(shard)s, %(policy_hash)s, %(users)s, %(user_from)s, %(error)s)
