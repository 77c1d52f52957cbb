-- Removes what challengers decided about a shard, for the transaction that logs it.
DELETE FROM limits.shard_shadows
 WHERE review_id = %(review_id)s AND shard = %(shard)s
RETURNING policy_hash, body
