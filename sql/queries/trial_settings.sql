-- For limits.bench.partitions: where the next statements work, and what trial_make makes.
SELECT set_config('search_path', %(kind)s, false), set_config('trial.kind', %(kind)s, false),
       set_config('trial.users', %(users)s, false), set_config('trial.partitions', %(partitions)s, false),
       set_config('max_parallel_workers_per_gather', '0', false)  -- each core has a worker of its own already
