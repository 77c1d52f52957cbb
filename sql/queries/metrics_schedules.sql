-- Schedules: how many there are, how many are on, and dates passed over within a week.
SELECT count(*) AS there, count(*) FILTER (WHERE NOT paused) AS running,
       coalesce(sum(passed_within_a_week), 0)::bigint AS passed
  FROM limits_metrics.schedules
