-- Some users of a shard are about to be decided anew, from what is there by now.
SELECT limits.begin_again(%(review_id)s, %(shard)s, %(token)s, %(user_ids)s::bigint[])
