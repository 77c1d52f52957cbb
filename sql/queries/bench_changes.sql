-- The limits that a review changed between two users, as they are after it.
SELECT user_id, limit_after_minor FROM limits.adjustment_log
 WHERE user_id BETWEEN %(user_from)s AND %(user_to)s AND as_of = %(as_of)s AND review_id = %(review_id)s
   AND action <> 0 AND role = 'champion'
 ORDER BY user_id
