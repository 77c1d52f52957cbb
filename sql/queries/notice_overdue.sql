-- How many notices are overdue as of a date, and since when the oldest one is.
SELECT count(*) AS notices, min(due_on) AS oldest_due_on
  FROM limits.notices
 WHERE delivered_at IS NULL AND due_on < %(as_of)s::date
