-- A shard whose every user is accounted for is done.
UPDATE limits.shards
   SET state = 'done', finished_at = clock_timestamp(), leased_until = NULL, error = NULL
 WHERE review_id = %(review_id)s AND shard = %(shard)s AND token = %(token)s AND state = 'leased'
RETURNING shard
