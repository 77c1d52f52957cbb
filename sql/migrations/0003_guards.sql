-- depends: 0002_tables
-- Who may what, and the one way to change a limit.

SET LOCAL ROLE limits_owner;

-- Every SECURITY DEFINER function names pg_temp last in its search_path: left out, it would be
-- searched first, and a caller's temporary table or type would run with the owner's rights.

-- Months of a partitioned table, made when first needed. Concurrent callers meet on an
-- advisory lock and the second finds the work done.
CREATE FUNCTION limits.ensure_month(p_table regclass, p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_month date := date_trunc('month', p_month)::date;
    v_name  text := format('%s_%s', (SELECT relname FROM pg_catalog.pg_class WHERE oid = p_table), to_char(v_month, 'YYYY_MM'));
BEGIN
    IF p_table NOT IN ('limits.events'::regclass, 'limits.adjustment_log'::regclass) THEN
        RAISE EXCEPTION 'ensure_month: % is not partitioned by month', p_table;
    END IF;
    -- 2027 BC has the same name as 2027.
    IF p_month IS NULL OR p_month NOT BETWEEN '1900-01-01' AND '2199-12-31' THEN
        RAISE EXCEPTION 'ensure_month: % does not lie between 1900 and 2199', p_month;
    END IF;
    IF to_regclass(format('limits.%I', v_name)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('limits.ensure_month'));
    -- Not to_regclass: it may remember from before the wait that there was none.
    IF EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = v_name AND relnamespace = 'limits'::regnamespace) THEN
        RETURN;
    END IF;
    IF p_table = 'limits.events'::regclass THEN
        -- Made apart and then attached: CREATE ... PARTITION OF would lock out every reader of
        -- events until the import that needs the month commits.
        EXECUTE format('CREATE TABLE limits.%I (LIKE limits.events INCLUDING ALL)', v_name);
        EXECUTE format('ALTER TABLE limits.events ATTACH PARTITION limits.%I FOR VALUES FROM (%L) TO (%L)',
                       v_name, v_month, (v_month + interval '1 month')::date);
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE limits.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                   v_name, p_table, v_month, (v_month + interval '1 month')::date);
    -- A trigger on the parent does not fire for TRUNCATE of a partition.
    EXECUTE format('CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.%I
                    FOR EACH ROW EXECUTE FUNCTION limits.refuse_change()', v_name);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.%I
                    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_change()', v_name);
    EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER append_only_rows,
                                          ENABLE ALWAYS TRIGGER append_only_truncate', v_name);
END $$;

CREATE FUNCTION limits.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the adjustment log is append-only: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
-- ENABLE ALWAYS: also under session_replication_role = replica.
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.adjustment_log
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_change();
ALTER TABLE limits.adjustment_log ENABLE ALWAYS TRIGGER append_only_truncate;

-- The one way to change a limit. Reads the caller's staged decisions of one shard,
-- checks the lease (fencing), the review's state and every version under row locks
-- taken in user order, then changes limits, log and outbox together.
-- Returns the users whose version had moved on (stale): nothing was done for them.
CREATE FUNCTION limits.apply_decisions(p_review bigint, p_shard integer, p_token bigint, p_code_version text)
RETURNS TABLE (stale_user_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews;
    v_users  bigint[];
    v_xact   xid8 := pg_current_xact_id();
BEGIN
    SELECT * INTO v_review FROM limits.reviews WHERE review_id = p_review FOR SHARE;
    IF v_review.state IS DISTINCT FROM 'running' THEN
        RAISE EXCEPTION 'review % is %, not running: nothing applied', p_review, coalesce(v_review.state, 'unknown')
            USING ERRCODE = 'LM001';
    END IF;
    SELECT s.user_ids INTO v_users FROM limits.shards s
     WHERE s.review_id = p_review AND s.shard = p_shard AND s.state = 'leased'
       AND s.token = p_token AND s.leased_until > clock_timestamp()
       FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lease % on shard % of review % is no longer held: nothing applied', p_token, p_shard, p_review
            USING ERRCODE = 'LM002';
    END IF;

    PERFORM 1 FROM limits.credit_lines c
      JOIN limits.decision_stage d ON d.user_id = c.user_id
     WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
     ORDER BY c.user_id FOR UPDATE OF c;

    -- Whoever may stage decisions is trusted to compute them, not to contradict them: what a row
    -- says of itself must add up, and the review must be about these users and no later day.
    IF v_review.business_date > (clock_timestamp() AT TIME ZONE 'UTC')::date OR EXISTS (
        SELECT FROM limits.decision_stage d
          LEFT JOIN unnest(v_users) AS planned(user_id) ON planned.user_id = d.user_id
          LEFT JOIN limits.credit_lines c ON c.user_id = d.user_id
         WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
           AND (planned.user_id IS NULL
             OR greatest(c.last_raise_on, c.last_cut_on) > v_review.business_date
             OR d.lowest_ceiling_minor IS DISTINCT FROM (SELECT min(bound) FROM unnest(d.ceilings_minor) AS bound)
             OR d.lowest_ceiling_minor IS DISTINCT FROM d.ceilings_minor[d.binding + 1]
             OR d.floor_minor NOT BETWEEN 0 AND d.limit_before_minor
             OR d.limit_after_minor < d.floor_minor)) THEN
        RAISE EXCEPTION 'a decision of review % contradicts itself, its plan or the calendar: nothing applied', p_review
            USING ERRCODE = 'LM003';
    END IF;

    -- Whatever is staged but no longer matches the line it was decided on is stale.
    RETURN QUERY
    DELETE FROM limits.decision_stage d
     WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
       AND NOT EXISTS (SELECT 1 FROM limits.credit_lines c
                        WHERE c.user_id = d.user_id AND c.version = d.version_before
                          AND c.limit_minor = d.limit_before_minor AND c.currency = d.currency)
    RETURNING d.user_id;

    WITH logged AS (
        INSERT INTO limits.adjustment_log AS l (
            review_id, shard, user_id, as_of, currency, limit_before_minor, limit_after_minor,
            version_before, version_after, action, binding, reason_bits, ceilings_minor,
            lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor, capacity_p90_minor,
            capacity_method, months_observed, policy_hash, input_digest, code_version, actor)
        SELECT d.review_id, d.shard, d.user_id, v_review.business_date, d.currency, d.limit_before_minor,
               d.limit_after_minor, d.version_before,
               d.version_before + (d.limit_after_minor <> d.limit_before_minor)::int,
               sign(d.limit_after_minor - d.limit_before_minor), d.binding, d.reason_bits, d.ceilings_minor,
               d.lowest_ceiling_minor, d.floor_minor, d.capacity_p10_minor, d.capacity_p50_minor,
               d.capacity_p90_minor, d.capacity_method, d.months_observed, v_review.policy_hash,
               d.input_digest, p_code_version, v_review.actor
          FROM limits.decision_stage d
         WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
         ORDER BY d.user_id
        RETURNING l.entry_id, l.user_id, l.as_of, l.action, l.limit_after_minor, l.version_after
    ), changed AS (
        UPDATE limits.credit_lines c
           SET limit_minor = l.limit_after_minor,
               version = l.version_after,
               last_raise_on = CASE WHEN l.action > 0 THEN l.as_of ELSE c.last_raise_on END,
               last_cut_on = CASE WHEN l.action < 0 THEN l.as_of ELSE c.last_cut_on END
          FROM logged l
         WHERE c.user_id = l.user_id AND l.action <> 0
        RETURNING l.entry_id, c.user_id, l.as_of, l.action
    ), counted AS (
        UPDATE limits.shards s
           SET users_raised = s.users_raised + n.raised,
               users_held = s.users_held + n.held,
               users_lowered = s.users_lowered + n.lowered
          FROM (SELECT count(*) FILTER (WHERE action > 0) AS raised, count(*) FILTER (WHERE action = 0) AS held,
                       count(*) FILTER (WHERE action < 0) AS lowered FROM logged) n
         WHERE s.review_id = p_review AND s.shard = p_shard
    )
    INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind)
    SELECT entry_id, p_review, user_id, as_of, CASE WHEN action > 0 THEN 'limit_raised' ELSE 'limit_lowered' END
      FROM changed ORDER BY user_id;

    DELETE FROM limits.decision_stage d WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token;
END $$;

-- Grants ------------------------------------------------------------------------------
-- limits_worker: runs reviews. limits_operations: imports and recomputes. Neither can
-- update, delete or truncate the log, nor write a limit but through apply_decisions.
-- limits_auditor: reads.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA limits FROM PUBLIC;
GRANT USAGE ON SCHEMA limits TO limits_worker, limits_operations, limits_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA limits TO limits_worker, limits_operations;
REVOKE SELECT ON limits.decision_stage FROM limits_worker, limits_operations;
GRANT INSERT ON limits.review_exceptions, limits.shards, limits.reviews, limits.policies
    TO limits_worker, limits_operations;
-- Every column but staged_in, which says whose row it is.
GRANT INSERT (review_id, shard, token, user_id, currency, limit_before_minor, limit_after_minor, version_before, binding,
              reason_bits, ceilings_minor, lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor,
              capacity_p90_minor, capacity_method, months_observed, input_digest)
    ON limits.decision_stage TO limits_worker, limits_operations;
GRANT UPDATE (state, users_total, users_raised, users_held, users_lowered, users_quarantined, users_skipped,
              exposure_before_minor, exposure_after_minor, error, started_at, finished_at)
    ON limits.reviews TO limits_worker, limits_operations;
GRANT UPDATE (state, token, leased_by, leased_until, attempts, error, finished_at)
    ON limits.shards TO limits_worker, limits_operations;
GRANT INSERT, UPDATE, DELETE ON limits.workers TO limits_worker, limits_operations;
GRANT INSERT, UPDATE ON limits.schedules TO limits_operations;
GRANT INSERT ON limits.users, limits.user_profiles, limits.credit_lines, limits.events, limits.event_keys,
    limits.statements, limits.repayments, limits.credit_checks, limits.imports, limits.quarantine,
    limits.dirty_months TO limits_operations;
GRANT UPDATE (finished_at, rows_total, rows_new, rows_known, rows_quarantined) ON limits.imports TO limits_operations;
GRANT EXECUTE ON FUNCTION limits.apply_decisions, limits.ensure_month TO limits_worker, limits_operations;
GRANT SELECT ON limits.adjustment_log, limits.reviews, limits.shards, limits.review_exceptions, limits.policies,
    limits.outbox, limits.quarantine, limits.imports, limits.currencies TO limits_auditor;

RESET ROLE;
