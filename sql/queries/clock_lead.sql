-- Whether this connection is the one that leads the clock.
SELECT pg_try_advisory_lock(hashtextextended('limits.clock', 0))
