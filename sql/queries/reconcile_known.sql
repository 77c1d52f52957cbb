-- Whether there is a credit line of a user, or an entry of the log.
SELECT EXISTS (SELECT FROM limits.credit_lines WHERE user_id = %(user_id)s)
    OR EXISTS (SELECT FROM limits.adjustment_log WHERE user_id = %(user_id)s)
