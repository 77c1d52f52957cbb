-- What a filter of the adjustment log asks of an entry: the part that every query of matching entries has after WHERE.
--
-- Of a parameter that is not given the condition is NULL IS NULL, which the planner drops as long as it plans for the values:
-- no such query may be prepared. changes: that nothing but an entry that changes, offers or announces something can match.
       (%(user_id)s::bigint IS NULL OR user_id = %(user_id)s::bigint)
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
   AND (NOT %(changes)s::boolean OR action <> 0 OR disposition <> 0)
