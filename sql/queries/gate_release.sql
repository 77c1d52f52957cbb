-- Lets a held review go on.
SELECT limits.release_review(%(review_id)s, %(actor)s, %(reason)s)
