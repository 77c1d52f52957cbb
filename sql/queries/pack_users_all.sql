-- Every user there is, in order, as one array.
SELECT array_agg(user_id ORDER BY user_id) AS user_id FROM limits.users
