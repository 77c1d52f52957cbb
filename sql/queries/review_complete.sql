-- Every shard is done: the review is, with the sums that its shards kept. Changes nothing while one is not.
UPDATE limits.reviews r
   SET state = 'done', finished_at = clock_timestamp(), error = NULL,
       users_raised = s.raised, users_held = s.held, users_lowered = s.lowered,
       exposure_before_minor = s.before, exposure_after_minor = s.after,
       users_quarantined = x.quarantined, users_skipped = x.skipped
  FROM (SELECT coalesce(sum(users_raised), 0)::bigint AS raised,
               coalesce(sum(users_held), 0)::bigint AS held,
               coalesce(sum(users_lowered), 0)::bigint AS lowered,
               coalesce(sum(exposure_before_minor), 0)::bigint AS before,
               coalesce(sum(exposure_after_minor), 0)::bigint AS after
          FROM limits.shards
         WHERE review_id = %(review_id)s) s,
       (SELECT count(*) FILTER (WHERE outcome = 'quarantined') AS quarantined,
               count(*) FILTER (WHERE outcome = 'skipped') AS skipped
          FROM limits.review_exceptions
         WHERE review_id = %(review_id)s) x
 WHERE r.review_id = %(review_id)s AND r.state = 'running'
   AND NOT EXISTS (SELECT FROM limits.shards s WHERE s.review_id = %(review_id)s AND s.state <> 'done')
RETURNING r.*
