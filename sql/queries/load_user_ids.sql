-- Every user there is, in order.
SELECT user_id FROM limits.users ORDER BY user_id
