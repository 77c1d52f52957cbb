-- The newest checkpoint of the log and its age; no row before the first.
SELECT checkpoint_id, tree_size, entries, made_at, age_seconds FROM limits_metrics.checkpoint
