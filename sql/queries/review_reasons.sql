-- How many of a review's decisions each ceiling bound, by action.
SELECT action, binding, count(*) AS users
  FROM limits_read.adjustment_log
 WHERE as_of = %(as_of)s AND review_id = %(review_id)s
 GROUP BY action, binding
 ORDER BY users DESC, action, binding
