-- Until the transaction ends nobody else says which dates of the schedule are reviewed and which are passed over.
SELECT pg_advisory_xact_lock(hashtextextended('limits.schedule ' || %(schedule)s, 0))
