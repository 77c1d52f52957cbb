-- Reviews of the web benchmark: on each day one of a schedule, and four recomputes. A third of the days has the old
-- policy, half of them the middle one, and the last the new one.
WITH made AS (
INSERT INTO limits.reviews (review_id, kind, schedule, business_date, state, policy_hash, actor, idempotency_key,
                            users_total, created_at, started_at, finished_at)
OVERRIDING SYSTEM VALUE
SELECT 5 * d + k, CASE k WHEN 1 THEN 'scheduled' ELSE 'recompute' END, CASE k WHEN 1 THEN 'nightly' END,
       %(first_day)s::date + 3 * d, 'done',
       (SELECT policy_hash FROM limits.policies
         WHERE pack = CASE WHEN d < %(days)s / 3 THEN 'bench-old' WHEN d < %(days)s * 5 / 6 THEN 'bench' ELSE 'bench-new' END),
       CASE WHEN k = 1 THEN 'scheduler' WHEN d = 2 AND k = 2 THEN 'Once Only'
            ELSE (ARRAY['Ann Lee', 'Bo Berg', 'Cy Diaz', 'Dee Eng'])[1 + (d + k) %% 4] END,
       CASE k WHEN 1 THEN NULL ELSE 'bench ' || d || ' ' || k END,
       CASE k WHEN 1 THEN %(users)s ELSE 1 END, at, at, at
  FROM generate_series(0, %(days)s - 1) d, generate_series(1, 5) k,
       LATERAL (SELECT (%(first_day)s::date + 3 * d)::timestamptz + interval '26 hours' AS at) a
RETURNING review_id, kind)
INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total)
SELECT review_id, 0, w.u, w.u, ARRAY[w.u], 1
  FROM made, LATERAL (SELECT 1 + (review_id * 7919) %% %(users)s AS u) w
 WHERE kind = 'recompute'
