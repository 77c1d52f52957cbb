-- A failed review is owed again, or runs on when it had been planned.
UPDATE limits.reviews r
   SET state = CASE WHEN r.users_total IS NULL THEN 'owed' ELSE 'running' END, error = NULL, finished_at = NULL
 WHERE r.review_id = %(review_id)s AND r.state = 'failed'
