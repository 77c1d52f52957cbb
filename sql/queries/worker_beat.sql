-- The heartbeat of a process.
INSERT INTO limits.workers (worker, kind, host, pid, doing)
VALUES (%(worker)s, %(kind)s, %(host)s, %(pid)s, %(doing)s)
ON CONFLICT (worker) DO UPDATE SET heartbeat_at = clock_timestamp(), doing = EXCLUDED.doing
