-- The shards of a review.
SELECT shard, user_from, user_to FROM limits.shards WHERE review_id = %(review_id)s ORDER BY shard
