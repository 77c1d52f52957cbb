-- How long a statement of the sealer waits for a lock, for this transaction.
SELECT set_config('lock_timeout', %(timeout)s, true)
