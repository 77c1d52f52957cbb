-- What waits, how much of it and for how long.
SELECT what, waiting, oldest_at, extract(epoch FROM clock_timestamp() - oldest_at)::float8 AS seconds
  FROM limits_metrics.waiting
