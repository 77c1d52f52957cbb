-- Whether there is a credit line of a user, or an entry of the log, or something that is kept of an archived one.
SELECT EXISTS (SELECT FROM limits.opening_lines WHERE user_id = %(user_id)s)
    OR EXISTS (SELECT FROM limits_read.adjustment_log WHERE user_id = %(user_id)s)
    OR EXISTS (SELECT FROM limits_read.archived_lines WHERE user_id = %(user_id)s)
