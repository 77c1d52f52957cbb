-- The packed rows of a shard, as a review reads them.
COPY (SELECT user_id, valid_from, valid_until, format, month_from, months_held, wide, currency, facts, cells
        FROM limits.packed_users WHERE user_id BETWEEN %(user_from)s AND %(user_to)s ORDER BY user_id)
  TO STDOUT (FORMAT binary)
