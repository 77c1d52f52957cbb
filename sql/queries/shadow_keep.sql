-- What a challenger decided about a shard, until the champion's decisions are applied.
INSERT INTO limits.shard_shadows (review_id, shard, policy_hash, body)
VALUES (%(review_id)s, %(shard)s, %(policy_hash)s, %(body)b)
