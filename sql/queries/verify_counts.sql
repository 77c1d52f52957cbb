-- How many entries of batches, notices and waiting changes there are; of the latter those of archived months left out.
SELECT (SELECT count(*) FROM limits_read.adjustment_log WHERE batch_id IS NOT NULL),
       (SELECT count(*) FROM limits_read.notices
         WHERE date_trunc('month', as_of::timestamp)::date NOT IN (SELECT month FROM limits_read.archived_months)),
       (SELECT count(*) FROM limits_read.pending_changes
         WHERE date_trunc('month', as_of::timestamp)::date NOT IN (SELECT month FROM limits_read.archived_months))
