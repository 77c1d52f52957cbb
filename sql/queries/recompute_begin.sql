-- A review of one user. A second caller with the same key waits for the first to commit and then gets no row.
INSERT INTO limits.reviews
       (kind, business_date, state, policy_hash, actor, reason, idempotency_key, users_total, started_at,
        request_id, change_id)
VALUES ('recompute', %(as_of)s, 'running', %(policy_hash)s, %(actor)s, %(reason)s, %(key)s, 1, clock_timestamp(),
        %(request_id)s, %(change_id)s)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING review_id
