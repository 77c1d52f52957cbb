-- The newest entry of one user, as of a date or before it (NULL = any date).
SELECT *
  FROM limits.log_entries
 WHERE user_id = %(user_id)s::bigint
   AND role = 'champion'
   AND (%(as_of)s::date IS NULL OR as_of <= %(as_of)s::date)
 ORDER BY as_of DESC, entry_id DESC
 LIMIT 1
