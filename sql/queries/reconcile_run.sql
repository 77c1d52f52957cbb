-- Reconciles a review that owes it, and gives what it came to; no row for one that owes nothing.
SELECT review_id, owed_at, at, ok, mismatches, known, detail
  FROM limits.reconcile_review(%(review_id)s)
