-- When the stages of a review ended. decided: its last shard; released: the gate let the first shards through; applied: its last shard. NULL where the engine has no such stage.
WITH released AS (
    SELECT min(marked_at) AS at FROM bench.marks
     WHERE review_id = %(review_id)s AND shard IS NULL AND stage = 'apply'
)
SELECT r.created_at, r.started_at,
       (SELECT max(m.marked_at) FROM bench.marks m, released
         WHERE m.review_id = r.review_id AND m.shard IS NOT NULL AND m.state = 'pending' AND m.marked_at < released.at) AS decided_at,
       (SELECT at FROM released) AS released_at,
       (SELECT max(m.marked_at) FROM bench.marks m
         WHERE m.review_id = r.review_id AND m.shard IS NOT NULL AND m.state = 'done') AS applied_at,
       r.finished_at
  FROM limits.reviews r
 WHERE r.review_id = %(review_id)s
