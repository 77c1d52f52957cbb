-- Dates of a schedule that were passed over and that nobody had reviewed later, newest first.
SELECT p.business_date, p.reason, p.detail, p.actor, p.passed_at
  FROM limits.passed_dates p
 WHERE p.schedule = %(schedule)s
   AND NOT EXISTS (SELECT FROM limits.reviews r WHERE r.schedule = p.schedule AND r.business_date = p.business_date)
 ORDER BY p.business_date DESC
