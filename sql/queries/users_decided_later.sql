-- Those of some users who were already decided as of a later date: a review never goes back behind that.
SELECT user_id, max(as_of) AS as_of
  FROM limits.adjustment_log
 WHERE user_id = ANY (%(user_ids)s::bigint[]) AND as_of > %(as_of)s
 GROUP BY user_id
