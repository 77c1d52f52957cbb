-- Those of some users who were already decided as of a later date: a review never goes back behind that.
-- Nobody is looked up unless there is a review of a later date. The planner does not see the ids: it would look
-- up each of them in its statistics.
SELECT user_id, max(as_of) AS as_of
  FROM limits.adjustment_log
 WHERE user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[]) AND as_of > %(as_of)s
   AND (SELECT EXISTS (SELECT FROM limits.reviews WHERE business_date > %(as_of)s))
 GROUP BY user_id
