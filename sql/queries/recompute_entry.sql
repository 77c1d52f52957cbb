-- The log entry of a review of one user.
SELECT entry_id
  FROM limits.adjustment_log
 WHERE as_of = %(as_of)s AND review_id = %(review_id)s AND user_id = %(user_id)s
