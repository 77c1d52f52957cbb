-- The reviews under way by date, and where there is none the newest one that is over.
WITH under_way AS (
    SELECT review_id, business_date FROM limits.reviews
     WHERE state IN ('owed', 'running', 'held') AND kind = 'scheduled'
     ORDER BY business_date, review_id
     LIMIT %(limit)s
)
(SELECT review_id FROM under_way ORDER BY business_date, review_id)
 UNION ALL
(SELECT review_id FROM limits.reviews
  WHERE kind = 'scheduled' AND NOT EXISTS (SELECT FROM under_way)
  ORDER BY review_id DESC
  LIMIT 1)
