-- Processes of all workers with a heartbeat no older than some seconds, as they say what they are doing.
SELECT coalesce(sum(substring(doing FROM '^([0-9]{1,4}) processes$')::bigint), 0)
  FROM limits.workers
 WHERE kind = 'worker' AND heartbeat_at > clock_timestamp() - %(max_age)s::float8 * interval '1 second'
