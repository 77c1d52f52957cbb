-- The first and the last business date of the reviews that a filter of the log can mean; an entry has actor, policy and date
-- of its review. Without a review of the number, the actor or one of the policies: NULL.
SELECT min(business_date), max(business_date)
  FROM limits_read.reviews
 WHERE (%(review_id)s::bigint IS NULL OR review_id = %(review_id)s::bigint)
   AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
   AND (%(policies)s::bytea[] IS NULL OR policy_hash = ANY (%(policies)s::bytea[]))
   AND (%(as_of_from)s::date IS NULL OR business_date >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR business_date <= %(as_of_to)s::date)
