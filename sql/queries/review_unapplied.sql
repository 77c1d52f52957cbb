-- What the shards of a review decided that are not applied to the end, added up.
SELECT count(*) AS shards,
       coalesce(sum((s.tally ->> 'users')::bigint), 0)::bigint AS users,
       coalesce(sum((s.tally ->> 'raised')::bigint), 0)::bigint AS raised,
       coalesce(sum((s.tally ->> 'lowered')::bigint), 0)::bigint AS lowered,
       coalesce(sum((s.tally ->> 'waiting')::bigint), 0)::bigint AS waiting,
       coalesce(sum((s.tally ->> 'quarantined')::bigint), 0)::bigint AS quarantined,
       coalesce(sum((s.tally ->> 'skipped')::bigint), 0)::bigint AS skipped,
       coalesce(sum((s.tally ->> 'before')::bigint), 0)::bigint AS before_minor,
       coalesce(sum((s.tally ->> 'after')::bigint), 0)::bigint AS after_minor,
       coalesce(sum((s.tally ->> 'wished')::bigint), 0)::bigint AS wished_minor
  FROM limits_read.shards s
 WHERE s.review_id = %(review_id)s AND s.stage = 'apply' AND s.state <> 'done'
