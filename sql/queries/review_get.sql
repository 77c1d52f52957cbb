-- One review by its number.
SELECT *
  FROM limits.reviews
 WHERE review_id = %(review_id)s
