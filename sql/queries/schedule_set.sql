-- Changes a schedule; what is NULL stays.
UPDATE limits.schedules
   SET pack = coalesce(%(pack)s, pack), run_at = coalesce(%(run_at)s, run_at),
       time_zone = coalesce(%(time_zone)s, time_zone), starts_on = coalesce(%(starts_on)s, starts_on),
       calendar = coalesce(%(calendar)s, calendar), catch_up = coalesce(%(catch_up)s, catch_up)
 WHERE schedule = %(schedule)s
RETURNING schedule
