-- The import as a row, with its counts: every line is new, known or quarantined.
INSERT INTO limits.imports (
    kind, source, file_name, file_sha256, actor, finished_at, rows_total, rows_new, rows_known, rows_quarantined)
SELECT %(kind)s, %(source)s, %(file_name)s, %(file_sha256)s, %(actor)s, clock_timestamp(), count(*),
       count(*) FILTER (WHERE s.reason IS NULL AND c.fault IS NULL AND NOT c.known),
       count(*) FILTER (WHERE s.reason IS NULL AND c.fault IS NULL AND c.known),
       count(*) FILTER (WHERE s.reason IS NOT NULL OR c.fault IS NOT NULL)
  FROM pg_temp.import_stage s
  LEFT JOIN pg_temp.import_checked c ON c.line = s.line
RETURNING import_id, rows_total AS total, rows_new AS new, rows_known AS known, rows_quarantined AS quarantined
