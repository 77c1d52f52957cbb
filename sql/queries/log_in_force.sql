-- The entry by which a user's limit was what it was on a date: the last change as of it or before, by the version.
--
-- decided_by: only what was decided before that moment (NULL = whenever): a later decision may be as of an earlier date.
SELECT *
  FROM limits.log_entries
 WHERE user_id = %(user_id)s::bigint
   AND role = 'champion'
   AND action <> 0
   AND as_of <= %(as_of)s::date
   AND (%(decided_by)s::timestamptz IS NULL OR decided_at < %(decided_by)s::timestamptz)
 ORDER BY version_after DESC
 LIMIT 1
