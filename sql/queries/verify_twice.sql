-- Batches that were sealed at more than one position.
SELECT batch_id, array_agg(position ORDER BY position) FROM limits_read.sealed_batches
 WHERE batch_id IS NOT NULL GROUP BY batch_id HAVING count(*) > 1 ORDER BY 1 LIMIT %(many)s
