-- Locks a shard whose lease is still held; no row when it is lost.
SELECT users_total
  FROM limits.shards
 WHERE review_id = %(review_id)s AND shard = %(shard)s AND token = %(token)s
   AND state = 'leased' AND leased_until > clock_timestamp()
   FOR NO KEY UPDATE
