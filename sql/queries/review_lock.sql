-- One review by its number, locked against every other planner.
SELECT *
  FROM limits.reviews
 WHERE review_id = %(review_id)s
   FOR NO KEY UPDATE
