-- Processes and the age of their last heartbeat in seconds, the liveliest first.
SELECT worker, kind, host, pid, started_at, heartbeat_at, doing,
       extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 AS age_seconds
  FROM limits.workers
 WHERE (%(kind)s::text IS NULL OR kind = %(kind)s::text)
   AND (%(max_age)s::float8 IS NULL
        OR heartbeat_at > clock_timestamp() - %(max_age)s::float8 * interval '1 second')
 ORDER BY heartbeat_at DESC, worker
