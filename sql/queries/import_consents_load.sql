-- Lets in the new consents. They touch no month.
INSERT INTO limits.consents (user_id, source, source_id, effective_on, subject, state, digest)
SELECT user_id, %(source)s, source_id, effective_on, subject, state, digest
  FROM pg_temp.import_checked
 WHERE fault IS NULL AND NOT known
 ORDER BY user_id, effective_on
