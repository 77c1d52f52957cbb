-- Entries of the adjustment log between two dates and two reviews that match, by date, review and user.
--
-- effective_on is what the view has under that name: looked up for what waits alone, it costs less.
SELECT {columns},
       CASE WHEN disposition <> 0
            THEN (SELECT w.effective_on FROM limits_read.pending_changes w WHERE w.entry_id = e.entry_id) END AS effective_on
  FROM limits.log_entries e
 WHERE as_of BETWEEN %(first_day)s::date AND %(last_day)s::date
   AND review_id BETWEEN %(first_review)s::bigint AND %(last_review)s::bigint
   AND (%(user_id)s::bigint IS NULL OR user_id = %(user_id)s::bigint)
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
 ORDER BY as_of, review_id, user_id
