-- The entries of some numbers, newest first; the dates of the filter name the months that they are in.
SELECT *
  FROM limits.log_entries
 WHERE entry_id = ANY (%(numbers)s::bigint[])
   AND (%(as_of_from)s::date IS NULL OR as_of >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR as_of <= %(as_of_to)s::date)
 ORDER BY entry_id DESC
