-- One page of the adjustment log, newest entry first; after names the last entry of the page before.
SELECT *
  FROM limits.log_entries
 WHERE (%(user_id)s::bigint IS NULL OR user_id = %(user_id)s::bigint)
   AND (%(review_id)s::bigint IS NULL OR review_id = %(review_id)s::bigint)
   AND (%(as_of_from)s::date IS NULL OR as_of >= %(as_of_from)s::date)
   AND (%(as_of_to)s::date IS NULL OR as_of <= %(as_of_to)s::date)
   AND (%(action)s::smallint IS NULL OR action = %(action)s::smallint)
   AND (%(disposition)s::smallint IS NULL OR disposition = %(disposition)s::smallint)
   AND (%(reason_bits)s::bigint = 0 OR reason_bits & %(reason_bits)s::bigint = %(reason_bits)s::bigint)
   AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
   AND (%(policies)s::bytea[] IS NULL OR policy_hash = ANY (%(policies)s::bytea[]))
   AND (%(currency)s::text IS NULL OR currency = %(currency)s::text)
   AND (%(min_change_minor)s::bigint IS NULL
        OR abs(coalesce(proposed_minor, limit_after_minor) - limit_before_minor) >= %(min_change_minor)s::bigint)
   AND (%(max_change_minor)s::bigint IS NULL
        OR abs(coalesce(proposed_minor, limit_after_minor) - limit_before_minor) <= %(max_change_minor)s::bigint)
   AND (%(min_share_bps)s::bigint IS NULL
        OR coalesce(proposed_minor, limit_after_minor) <> limit_before_minor
           AND abs(coalesce(proposed_minor, limit_after_minor) - limit_before_minor)::numeric * 10000
               >= limit_before_minor::numeric * %(min_share_bps)s::bigint)
   AND (%(after)s::bigint IS NULL OR entry_id < %(after)s::bigint)
 ORDER BY entry_id DESC
 LIMIT %(limit)s
