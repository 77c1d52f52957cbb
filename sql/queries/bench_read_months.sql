-- The monthly cash flow of a shard.
COPY (SELECT user_id, month, observed, inflow_minor, essential_minor, discretionary_minor, fees_minor, penalties_minor,
             obligations_minor, amount_due_minor, repaid_minor
        FROM limits.monthly_cash_flow WHERE user_id BETWEEN %(user_from)s AND %(user_to)s) TO STDOUT (FORMAT binary)
