-- The entries of some batches of one date, a row for each batch that has any: their bytes, their columns as the fields
-- of limits.decision_row, and the first entry that says something else than its record in a column that all share.
-- Several batches at once, because the newest pages of the log are in no summary of its index yet and are read by
-- each look.
SELECT l.batch_id, array_agg(l.entry_id ORDER BY l.sequence, l.entry_id) AS entry_ids,
       array_agg(coalesce(l.sequence, -1) ORDER BY l.sequence, l.entry_id) AS sequences,
       array_agg(coalesce(octet_length(l.entry), 0) ORDER BY l.sequence, l.entry_id) AS lengths,
       string_agg(l.entry, '' ORDER BY l.sequence, l.entry_id) AS body,
       array_agg(ROW(l.user_id, l.limit_before_minor, l.limit_after_minor, l.version_before, l.binding, l.reason_bits,
                     l.ceilings_minor, l.lowest_ceiling_minor, l.floor_minor, l.capacity_p10_minor,
                     l.capacity_p50_minor, l.capacity_p90_minor, l.capacity_method, l.months_observed, l.disposition,
                     l.proposed_minor, p.effective_on, coalesce(n.notice, 0::smallint), n.due_on, l.consent)
                 ORDER BY l.sequence, l.entry_id) AS fields,
       min(l.entry_id) FILTER (WHERE
           ROW(l.review_id, l.shard, l.as_of, l.currency, l.policy_hash, l.input_digest, l.code_version, l.actor,
               l.role, l.session_role, l.decided_at, l.action::integer, l.version_after)
           IS DISTINCT FROM
           ROW(r.review_id, r.shard, r.as_of, r.currency::bpchar, r.policy, r.input, r.code, r.actor, r.role, r.login,
               r.applied_at, sign(l.limit_after_minor - l.limit_before_minor)::integer,
               l.version_before + (l.limit_after_minor <> l.limit_before_minor)::integer)) AS other
  FROM (SELECT * FROM limits.adjustment_log
         WHERE as_of = %(as_of)s AND batch_id BETWEEN %(first)s AND %(last)s
        OFFSET 0) l   -- read once: the planner would look the index up for each batch
  JOIN unnest(%(batch_id)s::bigint[], %(review_id)s::bigint[], %(shard)s::integer[], %(dates)s::date[],
              %(currency)s::text[], %(policy)s::bytea[], %(input)s::bytea[], %(code)s::text[], %(actor)s::text[],
              %(role)s::text[], %(login)s::text[], %(applied_at)s::timestamptz[])
       AS r(batch_id, review_id, shard, as_of, currency, policy, input, code, actor, role, login, applied_at)
    ON r.batch_id = l.batch_id
  LEFT JOIN limits.pending_changes p ON p.entry_id = l.entry_id
  LEFT JOIN (SELECT entry_id, due_on,
                    array_position(ARRAY['raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn'],
                                   kind)::smallint AS notice
               FROM limits.notices) n ON n.entry_id = l.entry_id
 GROUP BY l.batch_id
