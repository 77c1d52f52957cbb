-- Pauses a schedule, or lets it go on.
UPDATE limits.schedules
   SET paused = %(paused)s
 WHERE schedule = %(schedule)s
RETURNING schedule
