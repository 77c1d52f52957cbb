-- Every entry of the adjustment log that matches, in the order of its primary key, for an export.
SELECT *
  FROM limits.log_entries
 WHERE (%(user_id)s::bigint IS NULL OR user_id = %(user_id)s::bigint)
   AND (%(review_id)s::bigint IS NULL OR review_id = %(review_id)s::bigint)
   AND (%(as_of_from)s::date IS NULL OR as_of >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR as_of <= %(as_of_to)s::date)
   AND (%(action)s::smallint IS NULL OR action = %(action)s::smallint)
   AND (%(reason_bit)s::bigint IS NULL OR reason_bits & %(reason_bit)s::bigint <> 0)
   AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
 ORDER BY as_of, review_id, user_id
