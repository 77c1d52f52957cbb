-- What changed the limit of a user, or was offered or announced, the newest first.
SELECT *
  FROM limits.log_entries
 WHERE user_id = %(user_id)s::bigint
   AND role = 'champion'
   AND (action <> 0 OR disposition <> 0)
 ORDER BY as_of DESC, entry_id DESC
 LIMIT %(limit)s
