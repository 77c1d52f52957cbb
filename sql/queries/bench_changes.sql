-- The limits that a review changed between two users, as they are after it; read as by bench_log_out.
SELECT user_id, limit_after_minor
  FROM (SELECT * FROM limits.adjustment_log
         WHERE user_id BETWEEN %(user_from)s AND %(user_to)s AND as_of = %(as_of)s OFFSET 0) l
 WHERE review_id = %(review_id)s AND action <> 0 AND role = 'champion'
 ORDER BY user_id
