-- Rows in quarantine, the newest import first, its rows by line.
SELECT file_name, line::text, reason, detail
  FROM limits.quarantine
 WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (%(reason)s::text IS NULL OR reason = %(reason)s)
 ORDER BY import_id DESC, line
 LIMIT %(limit)s
