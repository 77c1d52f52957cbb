-- Adds to what a review decided again while it is applied, and gives it added up, with what the gate had let through.
SELECT shifted, let_through, waved
  FROM limits.shift_review(%(review_id)s, %(shard)s, %(token)s, %(by)s::jsonb)
