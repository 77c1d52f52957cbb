-- The text of a risk model by its hash.
SELECT body
  FROM limits_read.risk_models
 WHERE model_hash = %(model_hash)s
