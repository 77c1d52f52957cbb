-- Some decided users of a shard, until they are applied.
INSERT INTO limits.shard_parts (review_id, shard, part, users, root, body)
VALUES (%(review_id)s, %(shard)s, %(part)s, %(users)s, %(root)s, %(body)b)
