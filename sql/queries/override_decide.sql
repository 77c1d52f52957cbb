-- Approves or rejects an override; false when that was done before.
SELECT limits.decide_override(%(override_id)s, %(verdict)s, %(actor)s, %(reason)s)
