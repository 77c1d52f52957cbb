-- Every shard is done: the review is, with its sums counted from the log. Changes nothing while one is not.
UPDATE limits.reviews r
   SET state = 'done', finished_at = clock_timestamp(), error = NULL,
       users_raised = l.raised, users_held = l.held, users_lowered = l.lowered,
       exposure_before_minor = l.before, exposure_after_minor = l.after,
       users_quarantined = x.quarantined, users_skipped = x.skipped
  FROM (SELECT count(*) FILTER (WHERE action > 0) AS raised,
               count(*) FILTER (WHERE action = 0) AS held,
               count(*) FILTER (WHERE action < 0) AS lowered,
               coalesce(sum(limit_before_minor), 0)::bigint AS before,
               coalesce(sum(limit_after_minor), 0)::bigint AS after
          FROM limits.adjustment_log
         WHERE as_of = %(as_of)s AND review_id = %(review_id)s) l,
       (SELECT count(*) FILTER (WHERE outcome = 'quarantined') AS quarantined,
               count(*) FILTER (WHERE outcome = 'skipped') AS skipped
          FROM limits.review_exceptions
         WHERE review_id = %(review_id)s) x
 WHERE r.review_id = %(review_id)s AND r.state = 'running'
   AND NOT EXISTS (SELECT FROM limits.shards s WHERE s.review_id = %(review_id)s AND s.state <> 'done')
RETURNING r.*
