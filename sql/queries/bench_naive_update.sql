-- One user's limit.
UPDATE bench.naive_credit_lines SET limit_minor = %(limit_minor)s, version = version + 1 WHERE user_id = %(user_id)s
