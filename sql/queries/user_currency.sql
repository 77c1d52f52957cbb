-- The currency of a user's credit line.
SELECT currency FROM limits.credit_lines WHERE user_id = %(user_id)s::bigint
