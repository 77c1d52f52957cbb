-- The one shard of a recompute, leased from the start by whoever asked for it.
INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total,
                           state, token, attempts, leased_by, leased_until)
VALUES (%(review_id)s, 0, %(user_id)s, %(user_id)s, ARRAY[%(user_id)s]::bigint[], 1,
        'leased', 1, 1, %(worker)s, clock_timestamp() + interval '1 hour')
