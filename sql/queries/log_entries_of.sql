-- The entries of some numbers, newest first; the dates name the months that they are in.
SELECT *
  FROM limits.log_entries
 WHERE entry_id = ANY (%(numbers)s::bigint[])
   AND as_of BETWEEN %(first_day)s::date AND %(last_day)s::date
 ORDER BY entry_id DESC
