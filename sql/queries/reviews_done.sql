-- The reviews of everybody that are done, up to a date, newest first.
SELECT review_id, business_date, policy_hash, risk_model
  FROM limits.reviews
 WHERE kind = 'scheduled' AND state = 'done' AND business_date <= %(as_of)s
 ORDER BY business_date DESC, review_id DESC
