-- One page of the adjustment log, newest entry first; after names the last entry of the page before.
SELECT *
  FROM limits.log_entries
 WHERE {conditions}
   AND (%(after)s::bigint IS NULL OR entry_id < %(after)s::bigint)
 ORDER BY entry_id DESC
 LIMIT %(limit)s
