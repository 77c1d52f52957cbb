-- Inside a transaction: statements that this session has prepared are planned once for all values. For queries about
-- one user, which always go by an index: planning them over all months of the log takes longer than answering.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true)
