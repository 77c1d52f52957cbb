-- Reviews that are over and not reconciled yet, oldest first.
SELECT review_id
  FROM limits_read.reconciliations
 WHERE at IS NULL
 ORDER BY review_id
