-- What the budget left of the raises of a shard.
UPDATE limits.shard_raises SET granted = %(granted)b WHERE review_id = %(review_id)s AND shard = %(shard)s
