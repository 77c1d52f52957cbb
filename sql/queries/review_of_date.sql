-- The review of a schedule for a business date.
SELECT *
  FROM limits.reviews
 WHERE schedule = %(schedule)s AND business_date = %(business_date)s
