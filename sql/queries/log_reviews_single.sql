-- The reviews that a filter of the log can mean, a row more than some at most: of those of one user the date and the user.
SELECT r.review_id, r.business_date, s.user_from
  FROM (SELECT review_id, business_date, kind FROM limits_read.reviews WHERE {reviews} LIMIT %(many)s) r
  LEFT JOIN limits_read.shards s ON r.kind = 'recompute' AND s.review_id = r.review_id
