-- How long this session waits for a lock, and may leave a transaction open without a word, in milliseconds.
SELECT set_config('lock_timeout', %(milliseconds)s, false),
       set_config('idle_in_transaction_session_timeout', %(milliseconds)s, false)
