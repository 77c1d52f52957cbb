-- How many changes a review offered and announced.
SELECT kind, count(*)
  FROM limits.pending_changes
 WHERE review_id = %(review_id)s
 GROUP BY kind
