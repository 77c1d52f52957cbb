-- Proposes to erase a user.
SELECT limits.propose_erasure(%(user_id)s, %(actor)s, %(reason)s)
