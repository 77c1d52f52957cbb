-- Triggers that guard the log and what stands beside it and that are gone, are not what they were made as, or do not
-- fire always; and every other trigger of ours, also those of foreign keys, that is disabled. wrong: which of these.
WITH appended (name, rows, whole) AS (
    SELECT name, 'refuse_rewriting', 'refuse_rewriting'
      FROM unnest(ARRAY['archived_lines', 'archived_months', 'batches', 'checkpoints', 'erasure_proposals', 'erasures', 'gate_events',
                        'kill_switch_events', 'mismatches', 'person_sets', 'seal_troubles', 'sealed_batches']) AS name
    UNION ALL
    SELECT c.relname, 'refuse_change', 'refuse_change'
      FROM pg_class p JOIN pg_inherits i ON i.inhparent = p.oid JOIN pg_class c ON c.oid = i.inhrelid
     WHERE p.relname = 'adjustment_log' AND p.relnamespace = to_regnamespace('limits')
    UNION ALL VALUES ('challenger_log', 'refuse_unless_erased', 'refuse_change'),
                     ('challenger_failures', 'refuse_change', 'refuse_change')
), wanted (relation, name, function, type) AS (
    -- type as pg_trigger.tgtype: 1 each row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate
    SELECT a.name, 'append_only_rows', a.rows, 1 + 2 + 8 + 16 FROM appended a
    UNION ALL
    SELECT a.name, 'append_only_truncate', a.whole, 2 + 32 FROM appended a
    UNION ALL VALUES
        ('adjustment_log', 'append_only_truncate', 'refuse_change', 2 + 32),
        ('sealed_batches', 'check_sealed', 'check_sealed', 4),
        ('checkpoints', 'check_checkpoint', 'check_checkpoint', 1 + 2 + 4),
        ('challenger_log', 'approved_challengers', 'check_challengers', 4),
        ('reconciliations', 'guard_reconciliation', 'guard_reconciliation', 1 + 2 + 8 + 16),
        ('reconciliations', 'append_only_truncate', 'refuse_rewriting', 2 + 32),
        ('reviews', 'approved_policy', 'require_approved_policy', 1 + 2 + 4),
        ('reviews', 'guard_review', 'guard_review', 1 + 2 + 4 + 16),
        ('reviews', 'refuse_archived', 'refuse_archived', 1 + 2 + 4 + 16),
        ('reviews', 'owe_reconciliation', 'owe_reconciliation', 1 + 16),
        ('shards', 'guard_shard', 'guard_shard', 1 + 2 + 4 + 16),
        ('shard_parts', 'guard_decided', 'guard_decided', 1 + 2 + 4 + 8 + 16),
        ('shard_shadows', 'guard_decided', 'guard_decided', 1 + 2 + 4 + 8 + 16),
        ('shard_raises', 'guard_decided', 'guard_decided', 1 + 2 + 4 + 8 + 16),
        ('snapshots', 'never_changed', 'refuse_snapshot_change', 2 + 16 + 32),
        ('snapshot_uses', 'never_changed', 'refuse_snapshot_change', 2 + 16 + 32),
        ('pruned_snapshots', 'never_changed', 'refuse_snapshot_change', 2 + 8 + 16 + 32)
), there AS (
    SELECT c.relname AS relation, t.tgname AS name, p.pronamespace = c.relnamespace AND p.proname = w.function
           AND t.tgtype = w.type AND (t.tgqual IS NULL OR NOT starts_with(w.name, 'append_only')) AS same, t.tgenabled AS fires,
           w.name IS NOT NULL AS wanted
      FROM pg_trigger t
      JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_proc p ON p.oid = t.tgfoid
      LEFT JOIN wanted w ON w.relation = c.relname AND w.name = t.tgname AND NOT t.tgisinternal
     WHERE c.relnamespace = to_regnamespace('limits')
)
SELECT relation, name, wrong
  FROM (SELECT w.relation::text, w.name::text, 'gone' AS wrong
          FROM wanted w
         WHERE NOT EXISTS (SELECT FROM there h WHERE h.wanted AND h.relation = w.relation AND h.name = w.name)
        UNION ALL
        SELECT h.relation, h.name,
               CASE WHEN h.fires IN ('D', 'R') THEN 'disabled' WHEN h.wanted AND NOT h.same THEN 'another'
                    WHEN h.wanted AND h.fires <> 'A' THEN 'not always' END
          FROM there h) found
 WHERE wrong IS NOT NULL
 ORDER BY NOT starts_with(relation, 'adjustment_log'), relation, name
