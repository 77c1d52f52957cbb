-- Rows in quarantine, the newest import first, its rows by line.
SELECT quarantine_id, import_id, quarantined_at, kind, source, file_name, line, reason, detail, raw
  FROM limits_read.quarantine
 WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (%(reason)s::text IS NULL OR reason = %(reason)s)
 ORDER BY import_id DESC, line
 LIMIT %(limit)s
