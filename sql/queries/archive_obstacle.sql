-- Why a month of the log cannot be archived, as a sentence; NULL: it can.
SELECT limits.archive_obstacle(%(month)s::date)
