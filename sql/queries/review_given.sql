-- The amount asked for that a review answers, and the offered or announced change that it carries out.
SELECT q.amount_minor AS request_minor, r.change_id
  FROM limits.reviews r
  LEFT JOIN limits.limit_requests q ON q.request_id = r.request_id
 WHERE r.review_id = %(review_id)s
