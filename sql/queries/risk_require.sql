-- Refuses (LM041) unless the risk model is approved (NULL: none); keeps the approval locked until the transaction ends.
SELECT limits.require_risk_model(%(model_hash)s)
