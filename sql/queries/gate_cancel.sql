-- Cancels a review; false when that was done before.
SELECT limits.cancel_review(%(review_id)s, %(actor)s, %(reason)s)
