-- The numbers of the matching entries of reviews of one user each, newest first.
SELECT entry_id
  FROM unnest(%(reviews)s::bigint[], %(days)s::date[], %(users)s::bigint[]) m (of_review, of_day, of_user)
  JOIN limits_read.adjustment_log ON user_id = of_user AND as_of = of_day AND review_id = of_review
 WHERE (%(after)s::bigint IS NULL OR entry_id < %(after)s::bigint)
   AND {conditions}
 ORDER BY entry_id DESC
 LIMIT %(limit)s
