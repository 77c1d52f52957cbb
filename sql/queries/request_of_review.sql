-- The request that a review answered.
SELECT q.request_id, q.user_id, q.asked_on, q.amount_minor, q.currency, c.exponent::integer AS exponent, q.actor,
       q.review_id, q.answer
  FROM limits.reviews r
  JOIN limits.limit_requests q ON q.request_id = r.request_id
  JOIN limits.currencies c ON c.currency = q.currency
 WHERE r.review_id = %(review_id)s AND q.review_id = r.review_id
