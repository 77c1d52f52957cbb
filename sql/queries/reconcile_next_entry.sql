-- The entry with which the next range ends: so many after one; no row when fewer are left.
SELECT entry_id
  FROM limits_read.adjustment_log
 WHERE entry_id > %(after)s
 ORDER BY entry_id
OFFSET %(entries)s - 1
 LIMIT 1
