-- The newest decisions about single users: recomputes and requests, the newest first.
SELECT e.*
  FROM (SELECT review_id, business_date FROM limits.reviews
         WHERE kind = 'recompute' AND state = 'done'
         ORDER BY review_id DESC
         LIMIT %(limit)s) r
  JOIN limits.log_entries e ON e.review_id = r.review_id AND e.as_of = r.business_date
 ORDER BY e.entry_id DESC
