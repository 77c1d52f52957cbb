-- Users of a review that got no decision, and why.
SELECT user_id, outcome, reason, detail, at
  FROM limits_read.review_exceptions
 WHERE review_id = %(review_id)s
 ORDER BY outcome, user_id
 LIMIT %(limit)s
