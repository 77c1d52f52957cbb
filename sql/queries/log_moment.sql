-- When the first entry from a number on was decided, in the months of some dates.
SELECT decided_at
  FROM limits_read.adjustment_log
 WHERE entry_id >= %(low)s::bigint
   AND (%(as_of_from)s::date IS NULL OR as_of >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR as_of <= %(as_of_to)s::date)
 ORDER BY entry_id
 LIMIT 1
