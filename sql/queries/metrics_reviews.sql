-- Reviews of schedules that are not over, or were within a week, for whoever may see no user.
SELECT review_id, schedule, business_date, state, complains, created_at, shards_stuck, shards_complaining,
       extract(epoch FROM clock_timestamp() - created_at)::float8 AS age_seconds
  FROM limits_metrics.reviews
 ORDER BY review_id
