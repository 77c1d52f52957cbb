-- Lets in the new states of documents. They touch no month.
INSERT INTO limits.documents (user_id, source, source_id, checked_on, status, valid_until, digest)
SELECT user_id, %(source)s, source_id, checked_on, status, valid_until, digest
  FROM pg_temp.import_checked
 WHERE fault IS NULL AND NOT known
 ORDER BY user_id, checked_on
