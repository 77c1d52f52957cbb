-- How a review stands, from its shards, batches and exceptions; the log is not read. lately: in the last so many seconds.
-- again: users of decided shards whose part was applied without them, because they have to be decided again.
SELECT r.review_id, r.kind, r.schedule, r.business_date, r.state, r.stage, r.released_shards, r.actor, r.error,
       r.policy_hash, r.created_at, r.started_at, r.finished_at, r.users_total, clock_timestamp() AS seen_at,
       s.*, b.applied_lately, b.last_applied_at, x.quarantined, x.skipped,
       greatest(s.decided - s.applied - x.quarantined - x.skipped - p.users, 0) AS again,
       (SELECT count(DISTINCT m.user_id) FROM limits.decided_meanwhile m WHERE m.review_id = r.review_id) AS meanwhile,
       w.review_id AS waits_for, w.state AS waits_for_state
  FROM limits.reviews r
 CROSS JOIN LATERAL (
       SELECT count(*) AS shards,
              count(*) FILTER (WHERE stage = 'decide' AND state <> 'leased') AS decide_pending,
              count(*) FILTER (WHERE stage = 'decide' AND state = 'leased') AS decide_leased,
              count(*) FILTER (WHERE stage = 'apply') AS decide_done,
              count(*) FILTER (WHERE stage = 'apply' AND state = 'pending') AS apply_pending,
              count(*) FILTER (WHERE stage = 'apply' AND state = 'leased') AS apply_leased,
              count(*) FILTER (WHERE state = 'done') AS apply_done,
              count(*) FILTER (WHERE shard < r.released_shards AND state <> 'done') AS released_open,
              count(*) FILTER (WHERE state = 'leased' AND leased_until <= clock_timestamp()) AS run_out,
              coalesce(sum(greatest(attempts - CASE WHEN r.kind = 'recompute' THEN 1
                                                    ELSE (stage = 'apply')::int
                                                       + (state IN ('leased', 'done'))::int END, 0)), 0)::bigint
                  AS extra_leases,
              coalesce(sum(users_total) FILTER (WHERE stage = 'apply'), 0)::bigint AS decided,
              coalesce(sum(users_total) FILTER (
                  WHERE decided_at > clock_timestamp() - %(lately)s::float8 * interval '1 second'), 0)::bigint
                  AS decided_lately,
              max(decided_at) AS last_decided_at,
              coalesce(sum(users_raised), 0)::bigint AS raised,
              coalesce(sum(users_held), 0)::bigint AS held,
              coalesce(sum(users_lowered), 0)::bigint AS lowered,
              coalesce(sum(users_raised + users_held + users_lowered), 0)::bigint AS applied,
              coalesce(sum(exposure_before_minor), 0)::bigint AS applied_before_minor,
              coalesce(sum(exposure_after_minor), 0)::bigint AS applied_after_minor,
              coalesce(sum((tally ->> 'before')::bigint), 0)::bigint AS decided_before_minor,
              coalesce(sum((tally ->> 'after')::bigint), 0)::bigint AS decided_after_minor,
              coalesce(sum((tally ->> 'wished')::bigint), 0)::bigint AS decided_wished_minor,
              coalesce(sum((tally ->> 'raised')::bigint), 0)::bigint AS decided_raised,
              coalesce(sum((tally ->> 'lowered')::bigint), 0)::bigint AS decided_lowered,
              coalesce(sum((tally ->> 'waiting')::bigint), 0)::bigint AS decided_waiting,
              min(error) FILTER (WHERE state <> 'done') AS shard_error
         FROM limits.shards WHERE review_id = r.review_id) s
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(users) FILTER (
                  WHERE applied_at > clock_timestamp() - %(lately)s::float8 * interval '1 second'), 0)::bigint
                  AS applied_lately,
              max(applied_at) AS last_applied_at
         FROM limits.batches WHERE review_id = r.review_id) b
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE outcome = 'quarantined') AS quarantined,
              count(*) FILTER (WHERE outcome = 'skipped') AS skipped
         FROM limits.review_exceptions WHERE review_id = r.review_id) x
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(users), 0)::bigint AS users FROM limits.shard_parts WHERE review_id = r.review_id) p
  LEFT JOIN LATERAL (
       SELECT e.review_id, e.state
         FROM limits.reviews e
        WHERE e.schedule = r.schedule AND e.business_date < r.business_date AND r.state = 'owed'
          AND e.state IN ('owed', 'running', 'held')
        ORDER BY e.business_date LIMIT 1) w ON true
 WHERE r.review_id = %(review_id)s
