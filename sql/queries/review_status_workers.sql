-- Who works on a review: one row for each process that holds a shard of it or decided or applied one, and for each worker alive
-- that does neither. What a process applied is known while its lease on the shard is the newest one.
WITH mine AS MATERIALIZED (
    SELECT s.leased_by, s.shard, s.token, s.state, s.stage, s.users_total, s.leased_at, s.leased_until,
           s.state = 'leased' AND s.leased_until <= clock_timestamp() AS run_out
      FROM limits.shards s WHERE s.review_id = %(review_id)s AND s.leased_by IS NOT NULL
), applied AS (
    SELECT m.leased_by, m.shard, sum(b.users)::bigint AS users, max(b.applied_at) AS last_at,
           coalesce(sum(b.users) FILTER (
               WHERE b.applied_at > clock_timestamp() - %(lately)s::float8 * interval '1 second'), 0)::bigint AS lately
      FROM limits.batches b JOIN mine m ON m.shard = b.shard AND m.token = b.token
     WHERE b.review_id = %(review_id)s
     GROUP BY m.leased_by, m.shard
), worked AS (
    SELECT m.leased_by, coalesce(sum(a.users), 0)::bigint AS applied, coalesce(sum(a.lately), 0)::bigint AS applied_lately,
           max(a.last_at) AS last_applied_at, count(*) FILTER (WHERE m.state = 'done') AS shards_done,
           count(*) FILTER (WHERE m.run_out) AS run_out
      FROM mine m LEFT JOIN applied a ON a.leased_by = m.leased_by AND a.shard = m.shard
     GROUP BY m.leased_by
), holds AS (
    SELECT DISTINCT ON (m.leased_by) m.leased_by, m.shard, m.token, m.stage, m.users_total, m.leased_at, m.leased_until, m.run_out,
           a.users AS applied
      FROM mine m LEFT JOIN applied a ON a.leased_by = m.leased_by AND a.shard = m.shard
     WHERE m.state = 'leased'
     ORDER BY m.leased_by, m.leased_until DESC
), decided AS (
    SELECT s.decided_by, sum((s.tally ->> 'users')::bigint)::bigint AS users,
           coalesce(sum((s.tally ->> 'users')::bigint) FILTER (
               WHERE s.decided_at > clock_timestamp() - %(lately)s::float8 * interval '1 second'), 0)::bigint AS lately
      FROM limits.shards s WHERE s.review_id = %(review_id)s AND s.decided_by IS NOT NULL
     GROUP BY s.decided_by
), people AS (
    SELECT coalesce(w.leased_by, d.decided_by) AS worker, d.users AS decided, d.lately AS decided_lately, w.*
      FROM worked w FULL JOIN decided d ON d.decided_by = w.leased_by
), beats AS (
    SELECT w.worker, w.heartbeat_at, extract(epoch FROM clock_timestamp() - w.heartbeat_at)::float8 AS age
      FROM limits.workers w WHERE w.kind = 'worker'
)
SELECT coalesce(w.worker, t.worker) AS worker, t.heartbeat_at, t.age AS heartbeat_age_seconds,
       h.shard, h.token, h.stage, h.users_total AS shard_users, h.applied AS shard_applied, h.leased_at,
       h.leased_until, coalesce(h.run_out, false) AS lease_ran_out,
       coalesce(w.decided, 0)::bigint AS decided, coalesce(w.decided_lately, 0)::bigint AS decided_lately,
       coalesce(w.applied, 0)::bigint AS applied, coalesce(w.applied_lately, 0)::bigint AS applied_lately,
       w.last_applied_at, coalesce(w.shards_done, 0) AS shards_done, coalesce(w.run_out, 0) AS run_out
  FROM people w
  LEFT JOIN holds h ON h.leased_by = w.worker
  FULL JOIN beats t ON t.worker = split_part(w.worker, '/', 1)
 WHERE w.worker IS NOT NULL OR t.age < %(alive)s
 ORDER BY h.shard, coalesce(w.worker, t.worker)
