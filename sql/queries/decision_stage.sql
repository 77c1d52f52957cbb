-- Decisions on their way into the log, as binary rows built from arrays.
COPY limits.decision_stage (
    review_id, shard, token, user_id, currency, limit_before_minor, limit_after_minor, version_before, binding,
    reason_bits, ceilings_minor, lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor,
    capacity_p90_minor, capacity_method, months_observed, input_digest,
    disposition, proposed_minor, effective_on, notice, notice_due_on)
FROM STDIN (FORMAT binary)
