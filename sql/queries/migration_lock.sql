-- One migrator at a time. Asked again and again, never waited for: a session that waits holds a snapshot,
-- for which CREATE INDEX CONCURRENTLY of the holder would wait in turn.
SELECT pg_try_advisory_lock(hashtextextended('limits migrate', 0));
