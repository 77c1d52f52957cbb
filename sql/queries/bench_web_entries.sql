-- Entries of one day of the web benchmark: one of each user in its review, one in each recompute. Some 6 %% raise, 3 %% lower,
-- 1.5 %% offer or announce. Reasons are common, rare (one of 100,000), and one that a single entry of the log has.
INSERT INTO limits.adjustment_log (
    entry_id, review_id, shard, user_id, as_of, decided_at, currency, limit_before_minor, limit_after_minor,
    version_before, version_after, action, binding, reason_bits, ceilings_minor, lowest_ceiling_minor, floor_minor,
    capacity_p10_minor, capacity_p50_minor, capacity_p90_minor, capacity_method, months_observed, policy_hash,
    input_digest, code_version, actor, disposition, proposed_minor, consent, batch_id, sequence, entry)
SELECT %(first_entry)s::bigint + n, r.review_id, n / 100000, u, r.business_date, r.finished_at, r.currency, m.before,
       m.before + CASE WHEN m.h < 90 THEN m.step ELSE 0 END, 3, 3 + (m.h < 90)::integer,
       CASE WHEN m.h < 60 THEN 1 WHEN m.h < 90 THEN -1 ELSE 0 END, 4,
       CASE WHEN m.g %% 10 < 3 THEN 1::bigint << 21 ELSE 0 END | CASE WHEN m.g %% 10 IN (2, 4) THEN 1::bigint << 9 ELSE 0 END
       | CASE WHEN m.g %% 100 < 15 THEN 1::bigint << 4 ELSE 0 END | CASE WHEN m.g %% 1000 = 7 THEN 1::bigint << 28 ELSE 0 END
       | CASE WHEN m.g %% 100000 = 77 THEN 1::bigint << 43 ELSE 0 END
       | CASE WHEN r.day = %(days)s / 3 AND n = 7 THEN 1::bigint << 17 ELSE 0 END,
       ARRAY[NULL, m.before * 4, m.before + 2000000, NULL, m.before * 3, NULL, NULL, m.before * 5, NULL, NULL, m.before * 6,
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, m.before + 700000, NULL, NULL],
       m.before + 600000, m.before / 2, 100000, 200000, 300000, 1, 24, r.policy_hash, sha256(int8send(r.review_id)),
       '0.1.0+bench', r.actor, CASE WHEN m.h BETWEEN 90 AND 99 THEN 1 WHEN m.h BETWEEN 100 AND 104 THEN 2 ELSE 0 END,
       CASE WHEN m.h BETWEEN 90 AND 104 THEN m.before + abs(m.step) END, 1, r.review_id * 10000 + n / 5000, n %% 5000,
       decode(repeat('5a', 194), 'hex')
  FROM (SELECT *, (review_id - 1) / 5 AS day,
               CASE WHEN (review_id - 1) / 5 = 1 THEN 'PLN' WHEN (review_id - 1) / 5 %% 20 = 5 THEN 'EUR' ELSE 'CNY' END
                   AS currency
          FROM limits.reviews WHERE review_id BETWEEN 5 * %(day)s + 1 AND 5 * %(day)s + 5) r,
       LATERAL generate_series(CASE r.kind WHEN 'scheduled' THEN 0 ELSE %(users)s + r.review_id - 5 * %(day)s - 2 END,
                               CASE r.kind WHEN 'scheduled' THEN %(users)s - 1
                                           ELSE %(users)s + r.review_id - 5 * %(day)s - 2 END) n,
       LATERAL (SELECT CASE r.kind WHEN 'scheduled' THEN n + 1 ELSE 1 + (r.review_id * 7919) %% %(users)s END AS u) w,
       LATERAL (SELECT (hashint8extended(u, r.review_id) & 1023) %% 1000 AS h,
                       hashint8extended(u, r.review_id + 77777) & 1073741823 AS g,
                       (1000 + (hashint8extended(u, 1) & 8191)) * 1000 AS before) b,
       LATERAL (SELECT b.h, b.g, b.before,
                       CASE WHEN b.h BETWEEN 60 AND 89 THEN -1 ELSE 1 END * (1 + b.g %% 50) * 10000 AS step) m
