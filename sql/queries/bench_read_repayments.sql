-- The repayments of a shard.
COPY (SELECT user_id, paid_on, amount_minor
        FROM limits.repayments WHERE user_id BETWEEN %(user_from)s AND %(user_to)s) TO STDOUT (FORMAT binary)
