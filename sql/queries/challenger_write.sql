-- What a challenger would have decided, as binary rows built from arrays.
COPY limits.challenger_log (
    review_id, user_id, policy_hash, as_of, currency, limit_before_minor, limit_after_minor, binding, reason_bits,
    lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor, capacity_p90_minor, capacity_method,
    input_digest, code_version)
FROM STDIN (FORMAT binary)
