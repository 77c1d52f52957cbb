-- The reviews that a filter of the log can mean: first and last business date, when the first was asked for, and when the
-- last was over (NULL: one is not). An entry has actor, policy and date of its review. Without any: NULL, all of them.
SELECT min(business_date), max(business_date), min(created_at),
       CASE WHEN bool_and(finished_at IS NOT NULL) THEN max(finished_at) END
  FROM limits_read.reviews
 WHERE {reviews}
