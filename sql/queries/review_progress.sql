-- How far a review has come.
SELECT r.review_id, r.kind, r.schedule, r.business_date, r.state, r.error, r.started_at, r.finished_at,
       clock_timestamp() AS seen_at, r.users_total,
       s.shards, s.shards_done, s.shards_leased,
       s.raised, s.held, s.lowered, x.quarantined, x.skipped,
       s.raised + s.held + s.lowered + x.quarantined + x.skipped AS users_done
  FROM limits_read.reviews r,
       LATERAL (SELECT count(*) AS shards,
                       count(*) FILTER (WHERE state = 'done') AS shards_done,
                       count(*) FILTER (WHERE state = 'leased' AND leased_until > clock_timestamp()) AS shards_leased,
                       coalesce(sum(users_raised), 0)::bigint AS raised,
                       coalesce(sum(users_held), 0)::bigint AS held,
                       coalesce(sum(users_lowered), 0)::bigint AS lowered
                  FROM limits_read.shards WHERE review_id = r.review_id) s,
       LATERAL (SELECT count(*) FILTER (WHERE outcome = 'quarantined') AS quarantined,
                       count(*) FILTER (WHERE outcome = 'skipped') AS skipped
                  FROM limits_read.review_exceptions WHERE review_id = r.review_id) x
 WHERE r.review_id = %(review_id)s
