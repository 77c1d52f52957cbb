-- Lets a failed review be tried again; false when it goes on already.
SELECT limits.resume_review(%(review_id)s, %(actor)s, %(reason)s)
