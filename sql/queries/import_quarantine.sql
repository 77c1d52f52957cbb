-- The rows that were not let in. What an earlier import put there for the same reason is there already.
-- digest: what stands for the digest of each line, where those are to be hidden.
INSERT INTO limits.quarantine (import_id, kind, source, file_name, line, reason, detail, raw, row_digest)
SELECT %(import_id)s, %(kind)s, %(source)s, %(file_name)s, s.line, coalesce(s.reason, c.fault[1]),
       left(coalesce(s.detail, c.fault[2]), 200), s.raw,
       coalesce(%(digest)s::bytea, s.digest, sha256(convert_to(s.raw, 'UTF8')))
  FROM pg_temp.import_stage s
  LEFT JOIN pg_temp.import_checked c ON c.line = s.line
 WHERE s.reason IS NOT NULL OR c.fault IS NOT NULL
 ORDER BY s.line
ON CONFLICT (kind, source, line, row_digest, reason) DO NOTHING
