-- Lets in the new identifiers. They touch no month.
INSERT INTO limits.identifiers (user_id, source, source_id, kind, value_sha256, seen_on, digest)
SELECT user_id, %(source)s, source_id, kind, value_sha256, seen_on, digest
  FROM pg_temp.import_checked
 WHERE fault IS NULL AND NOT known
 ORDER BY user_id, seen_on
