-- Lets in the new frauds, and the withdrawals of known ones. They touch no month.
INSERT INTO limits.frauds (user_id, source, source_id, confirmed_on, withdrawn_on, digest)
SELECT user_id, %(source)s, source_id, confirmed_on, withdrawn_on, digest
  FROM pg_temp.import_checked
 WHERE fault IS NULL AND NOT known
 ORDER BY user_id, confirmed_on
