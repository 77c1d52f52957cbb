-- The heartbeat: keeps a lease that is still held; no row when it is lost.
UPDATE limits.shards
   SET leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
 WHERE review_id = %(review_id)s AND shard = %(shard)s AND token = %(token)s AND state = 'leased'
RETURNING leased_until
