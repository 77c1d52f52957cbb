-- One at a time finishes shards of a review, so that the last one knows that it is the last.
SELECT pg_advisory_xact_lock(hashtextextended('limits.review.finish', %(review_id)s))
