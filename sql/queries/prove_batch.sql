-- The entries of the batch that an entry is of, in order.
SELECT l.entry
  FROM limits_read.adjustment_log e
  JOIN limits_read.adjustment_log l ON l.batch_id = e.batch_id AND l.review_id = e.review_id AND l.as_of = e.as_of
 WHERE e.entry_id = %(entry_id)s
 ORDER BY l.sequence
