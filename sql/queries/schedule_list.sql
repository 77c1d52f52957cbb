-- Every schedule with the newest business date it has a review for.
SELECT s.schedule, s.pack, s.run_at, s.time_zone, s.paused, s.starts_on,
       (SELECT max(business_date) FROM limits.reviews r WHERE r.schedule = s.schedule) AS newest
  FROM limits.schedules s
 ORDER BY s.schedule
