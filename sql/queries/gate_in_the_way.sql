-- Sessions that keep another one waiting, oldest first.
SELECT a.pid, a.usename AS login, a.application_name AS application
  FROM pg_stat_activity a
 WHERE a.pid = ANY (pg_blocking_pids(%(pid)s))
 ORDER BY a.backend_start
