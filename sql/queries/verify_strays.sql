-- Entries that belong to no batch: of a number that there is not, or of another review or date than the batch has.
SELECT l.entry_id, l.user_id, l.review_id, l.shard, l.batch_id, l.sequence, b.review_id, l.as_of::text,
       split_part(split_part(b.record, E'\nas_of ', 2), E'\n', 1)
  FROM limits_read.adjustment_log l LEFT JOIN limits_read.batches b ON b.batch_id = l.batch_id
 WHERE l.batch_id IS NOT NULL
   AND (b.batch_id IS NULL OR b.review_id <> l.review_id
        OR l.as_of::text <> split_part(split_part(b.record, E'\nas_of ', 2), E'\n', 1))
 ORDER BY l.entry_id LIMIT %(many)s
