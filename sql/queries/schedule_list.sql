-- Schedules, all of them or one by name, each with the newest business date it has a review for.
SELECT s.schedule, s.pack, s.run_at, s.time_zone, s.calendar, s.holidays, s.catch_up, s.paused, s.starts_on,
       (SELECT max(business_date) FROM limits.reviews r WHERE r.schedule = s.schedule) AS newest
  FROM limits.schedules s
 WHERE %(schedule)s::text IS NULL OR s.schedule = %(schedule)s::text
 ORDER BY s.schedule
