-- Reviews of schedules that are not over, or were within a week, for whoever may see no user.
SELECT review_id, schedule, business_date, state, stage, complains, created_at, started_at, finished_at,
       users_total, users_raised, users_held, users_lowered, users_quarantined, users_skipped,
       shards, shards_decided, shards_done, shards_leased, shards_stuck, shards_complaining,
       extract(epoch FROM clock_timestamp() - created_at)::float8 AS age_seconds
  FROM limits_metrics.reviews
 ORDER BY review_id
