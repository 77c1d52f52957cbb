-- A process says good-bye; those that died without are forgotten after a day.
DELETE FROM limits.workers
 WHERE worker = %(worker)s OR heartbeat_at < clock_timestamp() - interval '1 day'
