-- The decisions about a user, the newest first, after the one that a page before ended with.
SELECT *
  FROM limits.log_entries
 WHERE user_id = %(user_id)s::bigint
   AND role = 'champion'
   AND (as_of, entry_id) < (%(after_as_of)s::date, %(after_entry)s::bigint)
 ORDER BY as_of DESC, entry_id DESC
 LIMIT %(limit)s
