-- The newest checkpoints of the log before one of a number, the newest first.
SELECT checkpoint_id, coalesce(note, '')
  FROM limits_read.checkpoints
 WHERE (%(before)s::bigint IS NULL OR checkpoint_id < %(before)s::bigint)
 ORDER BY checkpoint_id DESC
 LIMIT %(limit)s
