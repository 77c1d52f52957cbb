-- A schedule, unless one of that name is there.
INSERT INTO limits.schedules (schedule, pack, run_at, time_zone, starts_on)
VALUES (%(schedule)s, %(pack)s, %(run_at)s, %(time_zone)s, %(starts_on)s)
ON CONFLICT (schedule) DO NOTHING
RETURNING schedule
