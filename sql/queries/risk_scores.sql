-- What the users of a review scored, as the log has it: of so many at most, which do not depend on how old an account is.
SELECT user_id, risk_points AS points, risk_probability_ppm AS ppm
  FROM limits_read.adjustment_log
 WHERE review_id = %(review_id)s AND as_of = %(as_of)s AND risk_points IS NOT NULL
 ORDER BY hashint8(user_id), user_id
 LIMIT %(most)s
