-- What reconciling a review came to; no row for one that owes nothing.
SELECT review_id, owed_at, at, ok, mismatches, known, detail
  FROM limits_read.reconciliations
 WHERE review_id = %(review_id)s
