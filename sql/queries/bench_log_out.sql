-- What a review logged about the users of a shard. By the users alone, and put in order afterwards: where the server's
-- statistics do not know the review it would look for it in the whole log, and by order it would ask for page after page.
COPY (SELECT {columns}
        FROM (SELECT * FROM limits.adjustment_log
               WHERE user_id BETWEEN %(user_from)s AND %(user_to)s AND as_of = %(as_of)s OFFSET 0) l
       WHERE review_id = %(review_id)s
       ORDER BY user_id) TO STDOUT (FORMAT binary)
