-- What a filter of the log asks of the review of an entry; see log_conditions.
       (%(review_id)s::bigint IS NULL OR review_id = %(review_id)s::bigint)
   AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
   AND (%(policies)s::bytea[] IS NULL OR policy_hash = ANY (%(policies)s::bytea[]))
   AND (%(as_of_from)s::date IS NULL OR business_date >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR business_date <= %(as_of_to)s::date)
