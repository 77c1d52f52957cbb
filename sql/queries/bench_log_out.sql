-- What a review logged about the users of a shard.
COPY (SELECT {columns} FROM limits.adjustment_log
       WHERE user_id BETWEEN %(user_from)s AND %(user_to)s AND as_of = %(as_of)s AND review_id = %(review_id)s
       ORDER BY user_id) TO STDOUT (FORMAT binary)
