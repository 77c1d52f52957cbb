-- Gives a lease back before its time, so that the next worker need not wait for it to run out.
UPDATE limits.shards
   SET state = 'pending', leased_by = NULL, leased_until = NULL, error = %(error)s
 WHERE review_id = %(review_id)s AND shard = %(shard)s AND token = %(token)s AND state = 'leased'
RETURNING shard
