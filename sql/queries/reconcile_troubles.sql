-- Reviews of the last week that did not add up, and those that wait to be reconciled for longer than some minutes.
SELECT review_id, owed_at, at, ok, mismatches, detail
  FROM limits_read.reconciliations
 WHERE (NOT ok AND at > clock_timestamp() - interval '7 days')
    OR (at IS NULL AND owed_at < clock_timestamp() - interval '10 minutes')
 ORDER BY review_id
 LIMIT 20
