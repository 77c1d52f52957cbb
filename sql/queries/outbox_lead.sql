-- Whether this connection is the one that delivers: one at a time, so that nothing goes out twice.
SELECT pg_try_advisory_lock(hashtextextended('limits.outbox', 0))
