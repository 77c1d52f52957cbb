-- Inside a transaction: whether what this session has prepared is planned once for all values, or for those given.
-- Once: for queries about one user that go by an index whoever it is, for planning them over all months of the log takes
-- longer than answering.
SELECT set_config('plan_cache_mode', CASE WHEN %(once)s::boolean THEN 'force_generic_plan' ELSE 'auto' END, true)
