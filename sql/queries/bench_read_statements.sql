-- The statements of a shard.
COPY (SELECT user_id, statement_on, due_on, balance_minor, amount_due_minor, minimum_due_minor, days_past_due
        FROM limits.statements WHERE user_id BETWEEN %(user_from)s AND %(user_to)s) TO STDOUT (FORMAT binary)
