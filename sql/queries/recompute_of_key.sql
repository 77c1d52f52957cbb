-- What was done under an idempotency key.
SELECT r.review_id, r.business_date, r.reason, r.actor, s.user_from AS user_id, l.entry_id
  FROM limits.reviews r
  LEFT JOIN limits.shards s ON s.review_id = r.review_id
  LEFT JOIN limits.adjustment_log l ON l.user_id = s.user_from AND l.as_of = r.business_date AND l.review_id = r.review_id
 WHERE r.idempotency_key = %(key)s
