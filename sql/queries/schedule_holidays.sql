-- Adds dates to the holidays of a schedule and takes others away.
UPDATE limits.schedules
   SET holidays = ARRAY(SELECT DISTINCT day FROM unnest(holidays || %(add)s::date[]) AS day
                         WHERE day <> ALL (%(remove)s::date[]) ORDER BY day)
 WHERE schedule = %(schedule)s
RETURNING holidays
