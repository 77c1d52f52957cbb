-- A shard is decided: it waits for the gate, for whoever leases it next.
UPDATE limits.shards
   SET state = 'pending', stage = 'apply', snapshot_digest = %(snapshot_digest)s, tally = %(tally)s::jsonb,
       decided_at = clock_timestamp(), decided_by = leased_by,
       leased_by = NULL, leased_until = NULL, error = NULL
 WHERE review_id = %(review_id)s AND shard = %(shard)s AND token = %(token)s AND state = 'leased' AND stage = 'decide'
RETURNING shard
