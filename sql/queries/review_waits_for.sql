-- The oldest unfinished review of the same schedule for an earlier date: dates are reviewed in order.
SELECT e.review_id
  FROM limits.reviews r
  JOIN limits.reviews e ON e.schedule = r.schedule AND e.business_date < r.business_date
 WHERE r.review_id = %(review_id)s AND e.state IN ('owed', 'running', 'held')
 ORDER BY e.business_date
 LIMIT 1
