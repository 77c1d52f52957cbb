-- Approves, rejects or withdraws; false when that was done before.
SELECT limits.decide_policy(%(approval_id)s, %(verdict)s, %(actor)s, %(reason)s)
