-- The users of the newest review of a schedule before a date that is done.
SELECT users_total FROM limits.reviews
 WHERE schedule = %(schedule)s AND business_date < %(as_of)s AND state = 'done'
 ORDER BY business_date DESC LIMIT 1
