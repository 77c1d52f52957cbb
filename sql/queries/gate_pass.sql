-- Lets a review on to its next stage; how many of its shards may be applied now.
SELECT limits.pass_gate(%(review_id)s, %(actor)s, %(figures)s::jsonb)
