-- For limits.bench.partitions: one user, as a recompute reads it.
SELECT length(packed), limit_minor FROM packed_users JOIN credit_lines USING (user_id) WHERE user_id = %(user_id)s
