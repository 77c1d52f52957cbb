-- Users with at least half of the months, evenly over the first so many users.
SELECT user_id FROM (
    SELECT u.user_id, row_number() OVER (ORDER BY u.user_id) AS place FROM limits.users u
     WHERE u.user_id <= %(among)s AND u.user_id %% greatest(%(among)s / (3 * %(sample)s), 1) = 0
       AND (SELECT count(*) FROM limits.monthly_cash_flow m WHERE m.user_id = u.user_id) >= %(months)s / 2) found
 ORDER BY place LIMIT %(sample)s
