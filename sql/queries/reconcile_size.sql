-- How much there is to reconcile: credit lines, the last entry, reviews.
SELECT (SELECT count(*) FROM limits.opening_lines) AS users,
       (SELECT coalesce(max(entry_id), 0) FROM limits_read.adjustment_log) AS last_entry,
       (SELECT count(*) FROM limits_read.reviews) AS reviews
