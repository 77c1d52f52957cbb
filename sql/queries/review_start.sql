-- The plan is made: the review runs.
UPDATE limits.reviews
   SET state = 'running', users_total = %(users_total)s, started_at = clock_timestamp(), error = NULL
 WHERE review_id = %(review_id)s AND state = 'owed'
