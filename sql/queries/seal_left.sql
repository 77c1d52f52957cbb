-- Whether a batch is there that is not sealed: one row, or none.
SELECT b.batch_id FROM limits.batches b
 WHERE NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.batch_id = b.batch_id) LIMIT 1
