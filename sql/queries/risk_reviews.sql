-- The newest reviews of everybody that are done and were scored by a model, the newest first.
SELECT review_id, business_date AS as_of
  FROM limits_read.reviews
 WHERE kind = 'scheduled' AND state = 'done' AND risk_model = %(model_hash)s
 ORDER BY business_date DESC, review_id DESC
 LIMIT %(last)s
