-- Processes of each kind, and how many of them had a heartbeat within some seconds.
SELECT kind, count(*) FILTER (WHERE age_seconds < %(alive_seconds)s::float8) AS alive, count(*) AS known
  FROM limits_metrics.processes
 GROUP BY kind
