-- Entries that belong to no batch: of a number that there is not, of another review or date than the batch has, or of a
-- batch whose month is archived, so that it has none here.
SELECT l.entry_id, l.user_id, l.review_id, l.shard, l.batch_id, l.sequence, b.review_id, l.as_of::text, r.as_of,
       a.file_name
  FROM limits_read.adjustment_log l
  LEFT JOIN limits_read.batches b ON b.batch_id = l.batch_id
 CROSS JOIN LATERAL (SELECT split_part(split_part(b.record, E'\nas_of ', 2), E'\n', 1) AS as_of) r
  LEFT JOIN limits_read.archived_months a ON to_char(a.month, 'YYYY-MM') = left(r.as_of, 7)
 WHERE l.batch_id IS NOT NULL
   AND (b.batch_id IS NULL OR b.review_id <> l.review_id OR l.as_of::text <> r.as_of OR a.month IS NOT NULL)
 ORDER BY l.entry_id LIMIT %(many)s
