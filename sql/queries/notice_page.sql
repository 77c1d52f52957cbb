-- Notices, the one due first at the top (the user as a range, which the index finds however the query is planned); overdue: due before a date and not delivered by the end of it.
SELECT *
  FROM limits.notice_list
 WHERE user_id BETWEEN coalesce(%(user_id)s::bigint, 0) AND coalesce(%(user_id)s::bigint, 9223372036854775807)
   AND as_of <= %(as_of)s::date
   AND (NOT %(overdue)s::boolean
        OR (due_on < %(as_of)s::date
            AND (delivered_at IS NULL OR (delivered_at AT TIME ZONE 'UTC')::date > %(as_of)s::date)))
   AND (%(after_on)s::date IS NULL OR (due_on, notice_id) > (%(after_on)s::date, %(after_id)s::bigint))
 ORDER BY due_on, notice_id
 LIMIT %(limit)s
