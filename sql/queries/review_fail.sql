-- The review cannot go on, and why.
UPDATE limits.reviews
   SET state = 'failed', error = %(error)s, finished_at = clock_timestamp()
 WHERE review_id = %(review_id)s AND state IN ('owed', 'running')
