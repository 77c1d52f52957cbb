-- One review by its number.
SELECT *
  FROM limits_read.reviews
 WHERE review_id = %(review_id)s
