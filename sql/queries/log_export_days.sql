-- The business dates of the reviews whose entries an export may hold, each with its first and last review.
SELECT business_date, min(review_id), max(review_id)
  FROM limits.reviews
 WHERE (%(review_id)s::bigint IS NULL OR review_id = %(review_id)s::bigint)
   AND (%(as_of_from)s::date IS NULL OR business_date >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR business_date <= %(as_of_to)s::date)
 GROUP BY business_date
 ORDER BY business_date
