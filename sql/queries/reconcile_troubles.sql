-- Reviews of the last week that did not add up, those that wait to be reconciled for longer than some minutes, and the
-- newest one where it did not add up for what was known before.
SELECT review_id, owed_at, at, ok, mismatches, known, detail
  FROM limits_read.reconciliations
 WHERE (NOT ok AND at > clock_timestamp() - interval '7 days')
    OR (at IS NULL AND owed_at < clock_timestamp() - interval '10 minutes')
    OR (known > 0 AND review_id = (SELECT max(review_id) FROM limits_read.reconciliations WHERE at IS NOT NULL))
 ORDER BY review_id
 LIMIT 20
