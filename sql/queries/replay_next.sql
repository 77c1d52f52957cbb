-- The next date and review that the log has entries of, in the order of its primary key: found in the log, for a row
-- that somebody added has no review of its own.
SELECT as_of, review_id
  FROM limits.adjustment_log
 WHERE as_of >= %(as_of)s::date AND (as_of, review_id) > (%(as_of)s::date, %(review_id)s::bigint)
 ORDER BY as_of, review_id
 LIMIT 1
