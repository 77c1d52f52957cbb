-- How long one statement of this transaction may take, in milliseconds.
SELECT set_config('statement_timeout', %(milliseconds)s, true)
