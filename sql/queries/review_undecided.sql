-- Whether a shard of the review is not decided yet.
SELECT EXISTS (SELECT FROM limits.shards WHERE review_id = %(review_id)s AND stage = 'decide') AS undecided
