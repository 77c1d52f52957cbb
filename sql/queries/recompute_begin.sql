-- A review of one user, leased; NULL where another caller with the same key was quicker.
SELECT limits.begin_recompute(%(user_id)s, %(as_of)s, %(policy_hash)s, %(actor)s, %(reason)s, %(key)s,
                              %(request_id)s, %(change_id)s)
