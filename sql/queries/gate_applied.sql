-- What the released shards of a review decided and what of it was applied. renewed: users decided again while applying, for
-- another reason than the budget; budgeted: shards whose raises it cut;
-- leases: beside the two that a shard takes.
SELECT s.shards, s.leases, s.decided_users, s.decided_aside, s.decided_change_minor, s.users, s.change_minor,
       (SELECT count(*) FROM limits.review_exceptions x
          JOIN limits.shards a ON a.review_id = x.review_id AND x.user_id BETWEEN a.user_from AND a.user_to
         WHERE x.review_id = %(review_id)s AND a.shard < r.released_shards) AS aside,
       (SELECT count(*) FROM limits.adjustment_log l
          JOIN limits.shards a ON a.review_id = l.review_id AND a.shard = l.shard
         WHERE l.review_id = %(review_id)s AND l.as_of = r.business_date AND a.shard < r.released_shards
           AND l.input_digest IS DISTINCT FROM a.snapshot_digest
           AND l.reason_bits & (1::bigint << %(budget)s) = 0) AS renewed,
       (SELECT count(*) FROM limits.shard_raises g
         WHERE g.review_id = %(review_id)s AND g.shard < r.released_shards
           AND substr(g.body, 8 * g.users + 1, 8 * g.users) <> g.granted) AS budgeted
  FROM limits.reviews r,
       LATERAL (SELECT count(*) AS shards,
                       coalesce(sum(greatest(attempts - 2, 0)), 0)::bigint AS leases,
                       coalesce(sum((tally ->> 'users')::bigint), 0)::bigint AS decided_users,
                       coalesce(sum((tally ->> 'quarantined')::bigint + (tally ->> 'skipped')::bigint), 0)::bigint
                           AS decided_aside,
                       coalesce(sum((tally ->> 'after')::bigint - (tally ->> 'before')::bigint), 0)::bigint
                           AS decided_change_minor,
                       coalesce(sum(users_raised + users_held + users_lowered), 0)::bigint AS users,
                       coalesce(sum(exposure_after_minor - exposure_before_minor), 0)::bigint AS change_minor
                  FROM limits.shards WHERE review_id = r.review_id AND shard < r.released_shards) s
 WHERE r.review_id = %(review_id)s
