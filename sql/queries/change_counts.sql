-- How many changes a review offered and announced.
SELECT kind, count(*)
  FROM limits_read.pending_changes
 WHERE review_id = %(review_id)s
 GROUP BY kind
