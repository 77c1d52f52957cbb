-- A schedule, unless one of that name is there.
INSERT INTO limits.schedules (schedule, pack, run_at, time_zone, starts_on, calendar, holidays, catch_up)
VALUES (%(schedule)s, %(pack)s, %(run_at)s, %(time_zone)s, %(starts_on)s, %(calendar)s, %(holidays)s, %(catch_up)s)
ON CONFLICT (schedule) DO NOTHING
RETURNING schedule
