-- How many notices and waiting changes there are of decisions as of each archived month.
SELECT a.month,
       (SELECT count(*) FROM limits_read.notices t
         WHERE t.as_of >= a.month AND t.as_of < (a.month + interval '1 month')::date),
       (SELECT count(*) FROM limits_read.pending_changes t
         WHERE t.as_of >= a.month AND t.as_of < (a.month + interval '1 month')::date)
  FROM limits_read.archived_months a
 ORDER BY a.month
