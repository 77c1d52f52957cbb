-- Who was erased: one user, or all (NULL), oldest first.
SELECT user_id, erased_at, maker, proposed_at, reason, checker, counts
  FROM limits_read.erasures
 WHERE %(user_id)s::bigint IS NULL OR user_id = %(user_id)s
 ORDER BY erased_at, user_id
