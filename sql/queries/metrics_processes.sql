-- Processes of each kind, how many of them had a heartbeat within some seconds, and the age of the newest one.
SELECT kind, count(*) FILTER (WHERE age_seconds < %(alive_seconds)s::float8) AS alive, count(*) AS known,
       min(age_seconds) AS age_seconds
  FROM limits_metrics.processes
 GROUP BY kind
