-- The credit lines of a shard, as a review reads them.
COPY (SELECT user_id, currency, opened_on, limit_minor, version, last_raise_on, last_cut_on, limit_before_cut_minor
        FROM limits.credit_lines WHERE user_id BETWEEN %(user_from)s AND %(user_to)s ORDER BY user_id)
  TO STDOUT (FORMAT binary)
