-- One at a time imports rows that could meet; the next then finds what the one before let in.
SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))
