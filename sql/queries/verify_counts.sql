-- How many entries of batches, notices and waiting changes there are; of the latter those of archived months left out.
SELECT (SELECT count(*) FROM limits_read.adjustment_log WHERE batch_id IS NOT NULL),
       (SELECT count(*) FROM limits_read.notices t WHERE NOT EXISTS (
            SELECT FROM limits_read.archived_months a
             WHERE t.as_of >= a.month AND t.as_of < (a.month + interval '1 month')::date)),
       (SELECT count(*) FROM limits_read.pending_changes t WHERE NOT EXISTS (
            SELECT FROM limits_read.archived_months a
             WHERE t.as_of >= a.month AND t.as_of < (a.month + interval '1 month')::date))
