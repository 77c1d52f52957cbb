-- Approves, rejects or withdraws a risk model; false when that was done before.
SELECT limits.decide_risk_model(%(approval_id)s, %(verdict)s, %(actor)s, %(reason)s)
