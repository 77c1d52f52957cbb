-- The parts of a shard that are not applied yet.
SELECT part
  FROM limits.shard_parts
 WHERE review_id = %(review_id)s AND shard = %(shard)s
 ORDER BY part
