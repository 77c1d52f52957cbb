-- One at a time brings the monthly cash flow up to date; the next finds the work done.
SELECT pg_advisory_xact_lock(hashtextextended('limits.refresh', 0))
