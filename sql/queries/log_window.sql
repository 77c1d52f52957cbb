-- The numbers of the matching entries in a window of numbers, newest first.
SELECT entry_id
  FROM limits_read.adjustment_log
 WHERE entry_id >= %(low)s::bigint AND entry_id < %(high)s::bigint
   AND {conditions}
 ORDER BY entry_id DESC
 LIMIT %(limit)s
