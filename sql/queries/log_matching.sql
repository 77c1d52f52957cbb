-- Entries of the adjustment log between two dates and two reviews that match, by date, review and user.
--
-- effective_on is what the view has under that name: looked up for what waits alone, it costs less.
SELECT {columns},
       CASE WHEN disposition <> 0
            THEN (SELECT w.effective_on FROM limits_read.pending_changes w WHERE w.entry_id = e.entry_id) END AS effective_on
  FROM limits.log_entries e
 WHERE as_of BETWEEN %(first_day)s::date AND %(last_day)s::date
   AND review_id BETWEEN %(first_review)s::bigint AND %(last_review)s::bigint
   AND {conditions}
 ORDER BY as_of, review_id, user_id
