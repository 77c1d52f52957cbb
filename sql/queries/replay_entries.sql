-- Entries of a group of replay_groups between two users, by user: as elements of limits.decision_row as they go over the
-- wire, and beside them what else log and waiting changes say. The least number of 64 bits stands for NULL.
SELECT array_agg(e.entry_id) AS entry_id, array_agg(e.user_id) AS user_id, array_agg(e.version_after) AS version_after,
       array_agg(e.action) AS action, array_agg(e.change_kind) AS change_kind,
       array_agg(e.change_proposed) AS change_proposed, array_agg(e.change_limit) AS change_limit,
       coalesce(max(e.rules), 0)::bigint AS rules, array_agg(e.sequence) AS sequence,
       array_agg(e.format) AS format,
       -- array_send over all of them gives the same bytes in three times the time.
       string_agg(int4send(length(e.decision)) || e.decision, ''::bytea) AS decisions
  FROM (
    SELECT l.entry_id, l.user_id, coalesce(l.version_after, -9223372036854775808) AS version_after,
           coalesce(l.action, -9223372036854775808) AS action, coalesce(w.kind, 0)::bigint AS change_kind,
           coalesce(w.proposed_minor, -9223372036854775808) AS change_proposed,
           coalesce(w.limit_minor, -9223372036854775808) AS change_limit, cardinality(l.ceilings_minor) AS rules,
           record_send(ROW(
               l.user_id, l.limit_before_minor, l.limit_after_minor, l.version_before, l.binding, l.reason_bits,
               l.ceilings_minor, l.lowest_ceiling_minor, l.floor_minor, l.capacity_p10_minor, l.capacity_p50_minor,
               l.capacity_p90_minor, l.capacity_method, l.months_observed, l.disposition, l.proposed_minor,
               w.effective_on, coalesce(n.notice, 0)::smallint, n.due_on, l.consent,
               l.risk_points, l.risk_probability_ppm, l.entry)::limits.decision_row) AS decision,
           coalesce(l.sequence, -1)::bigint AS sequence,
           CASE WHEN length(l.entry) > 0 THEN get_byte(l.entry, 0) ELSE 0 END::bigint AS format
      FROM limits_read.adjustment_log l
      -- One look by entry for each: joined as a whole, tables of all nights would be read for a shard.
      LEFT JOIN LATERAL (
        SELECT coalesce(array_position(ARRAY['offer', 'announced'], c.kind), 99) AS kind, c.proposed_minor,
               c.limit_minor, c.effective_on
          FROM limits_read.pending_changes c
         WHERE c.entry_id = l.entry_id AND c.review_id = l.review_id AND c.user_id = l.user_id AND c.as_of = l.as_of
         LIMIT 1) w ON true
      LEFT JOIN LATERAL (
        SELECT coalesce(array_position(ARRAY['raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn'],
                                       t.kind), 99) AS notice, t.due_on
          FROM limits_read.notices t
         WHERE t.entry_id = l.entry_id AND t.review_id = l.review_id AND t.user_id = l.user_id AND t.as_of = l.as_of
         LIMIT 1) n ON true
     WHERE l.as_of = %(as_of)s AND l.review_id = %(review_id)s AND l.user_id BETWEEN %(first)s AND %(last)s
       AND l.input_digest = %(input_digest)s AND l.policy_hash = %(policy_hash)s
       AND l.code_version = %(code_version)s AND l.currency = %(currency)s::char(3)
     ORDER BY l.user_id) e
