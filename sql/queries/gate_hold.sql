-- Stops a review at the gate, and why.
SELECT limits.hold_review(%(review_id)s, %(actor)s, %(reason)s, %(figures)s::jsonb)
