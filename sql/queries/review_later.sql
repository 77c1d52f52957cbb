-- The newest review of a schedule that has begun to apply decisions for a later date.
SELECT *
  FROM limits.reviews
 WHERE schedule = %(schedule)s AND business_date > %(business_date)s AND state IN ('running', 'held', 'done')
 ORDER BY business_date DESC
 LIMIT 1
