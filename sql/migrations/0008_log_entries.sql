-- depends: 0003_guards
-- What an auditor reads: each entry of the adjustment log beside the review it belongs to
-- and the exponent its amounts are written with.

SET LOCAL ROLE limits_owner;

CREATE VIEW limits.log_entries AS
SELECT l.entry_id, l.review_id, l.shard, l.user_id, l.as_of, l.decided_at, l.currency, c.exponent,
       l.limit_before_minor, l.limit_after_minor, l.version_before, l.version_after, l.action, l.binding,
       l.reason_bits, l.ceilings_minor, l.lowest_ceiling_minor, l.floor_minor, l.capacity_p10_minor,
       l.capacity_p50_minor, l.capacity_p90_minor, l.capacity_method, l.months_observed, l.policy_hash,
       l.input_digest, l.code_version, l.actor, l.role, l.session_role,
       r.kind AS review_kind, r.schedule, r.reason AS review_reason, p.pack, p.effective_on AS policy_effective_on
  FROM limits.adjustment_log l
  JOIN limits.reviews r ON r.review_id = l.review_id
  JOIN limits.policies p ON p.policy_hash = l.policy_hash
  JOIN limits.currencies c ON c.currency = l.currency;

GRANT SELECT ON limits.log_entries TO limits_worker, limits_operations, limits_auditor;

RESET ROLE;
