-- Those of some dates of a schedule that have a review or were passed over.
SELECT business_date FROM limits.reviews
 WHERE schedule = %(schedule)s AND business_date = ANY(%(dates)s)
UNION
SELECT business_date FROM limits.passed_dates
 WHERE schedule = %(schedule)s AND business_date = ANY(%(dates)s)
