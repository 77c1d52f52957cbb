-- depends: 0023_opening_lines
-- The roles that were missing: one for each who does one thing. The auditor and the monitor read views, the sealer
-- adds to two tables, the migrator acts as the owner. tests/rights.toml says who may what, of everything there is.

DO $do$
DECLARE r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['limits_migrator', 'limits_sealer', 'limits_monitor'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', r);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;   -- made by another database, or by another process just now
        END;
    END LOOP;
    -- Schema changes are the owner's, and the owner cannot log in: whoever has this role may set that one.
    BEGIN
        GRANT limits_owner TO limits_migrator;
    EXCEPTION WHEN unique_violation THEN
        NULL;
    END;
    BEGIN
        GRANT limits_migrator, limits_sealer, limits_monitor TO CURRENT_USER;
    EXCEPTION WHEN unique_violation THEN
        NULL;
    END;
END $do$;

-- What was applied is written down by whoever migrates, and that may be somebody else each time.
ALTER SCHEMA limits_migration OWNER TO limits_owner;
DO $do$
DECLARE r record;
BEGIN
    FOR r IN SELECT c.oid::regclass AS name FROM pg_class c
              WHERE c.relnamespace = 'limits_migration'::regnamespace AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO limits_owner', r.name);
    END LOOP;
END $do$;

-- limits_read: each table that is there to be read, as a view. limits_metrics: counts and states.
CREATE SCHEMA limits_read AUTHORIZATION limits_owner;
CREATE SCHEMA limits_metrics AUTHORIZATION limits_owner;

SET LOCAL ROLE limits_owner;

-- A function that is made and whose rights are forgotten is nobody's, not everybody's.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Sealing -------------------------------------------------------------------------------

-- The leaves of the log's tree in their order, from 0 on and without a gap. Leaf 0 is what was there
-- before batches had records, and no batch.
CREATE TABLE limits.sealed_batches (
    position bigint PRIMARY KEY CHECK (position >= 0),
    batch_id bigint UNIQUE,
    digest   bytea NOT NULL CHECK (length(digest) = 32),
    CHECK ((position = 0) = (batch_id IS NULL))
);

-- What was signed: the note as a whole, and what it says of the tree. checkpoint_id counts from 1; the database
-- gives it. The primary key IS the guarantee that of two sealers who saw the same last one only one goes on.
CREATE TABLE limits.checkpoints (
    checkpoint_id bigint PRIMARY KEY,
    tree_size     bigint NOT NULL CHECK (tree_size > 0),
    root          bytea NOT NULL CHECK (length(root) = 32),
    entries       bigint NOT NULL CHECK (entries >= 0),
    note          text NOT NULL CHECK (note <> ''),
    key_id        text NOT NULL CHECK (key_id <> ''),
    made_at       timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(made_at))
);

-- Once for each statement, so that thousands are sealed at the price of one look.
CREATE FUNCTION limits.check_sealed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_first bigint;
    v_last  bigint;
    v_count bigint;
BEGIN
    SELECT min(a.position), max(a.position), count(*) INTO v_first, v_last, v_count FROM added a;
    IF v_last - v_first + 1 <> v_count
       OR v_first > 0 AND NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.position = v_first - 1) THEN
        RAISE EXCEPTION 'sealed batches follow each other: % of them cannot stand at % to %', v_count, v_first, v_last
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_sealed AFTER INSERT ON limits.sealed_batches REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION limits.check_sealed();

CREATE FUNCTION limits.check_checkpoint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_last limits.checkpoints;
BEGIN
    SELECT * INTO v_last FROM limits.checkpoints ORDER BY checkpoint_id DESC LIMIT 1;
    IF NEW.checkpoint_id <> coalesce(v_last.checkpoint_id, 0) + 1 THEN
        RAISE EXCEPTION 'the next checkpoint is %, not %', coalesce(v_last.checkpoint_id, 0) + 1, NEW.checkpoint_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.checkpoint_id := coalesce(v_last.checkpoint_id, 0) + 1;
    IF NEW.tree_size < v_last.tree_size OR NEW.entries < v_last.entries THEN
        RAISE EXCEPTION 'a log never gets shorter: checkpoint % has % leaves and % entries, now there would be % and %',
            v_last.checkpoint_id, v_last.tree_size, v_last.entries, NEW.tree_size, NEW.entries
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.position = NEW.tree_size - 1) THEN
        RAISE EXCEPTION 'a checkpoint over % leaves needs so many sealed batches', NEW.tree_size
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_checkpoint BEFORE INSERT ON limits.checkpoints
    FOR EACH ROW EXECUTE FUNCTION limits.check_checkpoint();

CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.sealed_batches
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.sealed_batches
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.sealed_batches ENABLE ALWAYS TRIGGER check_sealed,
                                  ENABLE ALWAYS TRIGGER append_only_rows,
                                  ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.checkpoints
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.checkpoints ENABLE ALWAYS TRIGGER check_checkpoint,
                               ENABLE ALWAYS TRIGGER append_only_rows,
                               ENABLE ALWAYS TRIGGER append_only_truncate;

GRANT USAGE ON SCHEMA limits TO limits_sealer;
GRANT SELECT ON limits.batches TO limits_sealer;
GRANT SELECT, INSERT ON limits.sealed_batches, limits.checkpoints TO limits_sealer;
GRANT SELECT ON limits.sealed_batches, limits.checkpoints TO limits_worker, limits_operations, limits_auditor;
DO $do$
BEGIN
    IF to_regclass('limits.log_origin') IS NOT NULL THEN
        GRANT SELECT ON limits.log_origin TO limits_sealer;
    END IF;
END $do$;

-- The auditor ---------------------------------------------------------------------------

-- Whatever table the auditor could read until now becomes a view of the same name and columns, for the auditor and
-- for the queries that others share. No security barrier: no row is hidden, and a barrier would keep conditions on
-- reasons away from the log's index. A column that a table gets later comes in by CREATE OR REPLACE VIEW.
DO $do$
DECLARE r record;
BEGIN
    FOR r IN SELECT c.relname AS name FROM pg_class c
              WHERE c.relnamespace = 'limits'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                AND has_table_privilege('limits_auditor', c.oid, 'SELECT')
              ORDER BY c.relname LOOP
        EXECUTE format('CREATE VIEW limits_read.%I AS SELECT * FROM limits.%I', r.name, r.name);
        EXECUTE format('GRANT SELECT ON limits_read.%I TO limits_worker, limits_operations, limits_auditor', r.name);
        EXECUTE format('REVOKE ALL ON limits.%I FROM limits_auditor', r.name);
    END LOOP;
END $do$;
GRANT USAGE ON SCHEMA limits_read TO limits_worker, limits_operations, limits_auditor, limits_sealer;
-- What the sealer holds against each other before it signs: the same views that a verifier reads.
GRANT SELECT ON limits_read.adjustment_log, limits_read.batches, limits_read.sealed_batches, limits_read.reviews,
                limits_read.notices, limits_read.pending_changes TO limits_sealer;

-- The monitor ---------------------------------------------------------------------------

-- How things are, for a page or an alarm: no amount of a user, no name, and no text that could hold one.

-- Reviews of schedules that are not over, or were within a week.
CREATE VIEW limits_metrics.reviews AS
SELECT r.review_id, r.schedule, r.business_date, r.state, r.stage, r.error IS NOT NULL AS complains,
       r.created_at, r.started_at, r.finished_at, r.users_total, r.users_raised, r.users_held, r.users_lowered,
       r.users_quarantined, r.users_skipped, r.exposure_before_minor, r.exposure_after_minor,
       s.shards, s.shards_decided, s.shards_done, s.shards_leased, s.shards_stuck, s.shards_complaining, s.attempts
  FROM limits.reviews r,
       LATERAL (SELECT count(*) AS shards, count(*) FILTER (WHERE stage = 'apply') AS shards_decided,
                       count(*) FILTER (WHERE state = 'done') AS shards_done,
                       count(*) FILTER (WHERE state = 'leased' AND leased_until > clock_timestamp()) AS shards_leased,
                       -- The lease ran out and nobody took the shard over.
                       count(*) FILTER (WHERE state = 'leased'
                                          AND leased_until < clock_timestamp() - interval '60 seconds') AS shards_stuck,
                       count(*) FILTER (WHERE state <> 'done' AND error IS NOT NULL) AS shards_complaining,
                       coalesce(sum(attempts), 0)::bigint AS attempts
                  FROM limits.shards WHERE review_id = r.review_id) s
 WHERE r.kind = 'scheduled'
   AND (r.state IN ('owed', 'running', 'held') OR r.finished_at > clock_timestamp() - interval '7 days');

CREATE VIEW limits_metrics.schedules AS
SELECT s.schedule, s.pack, s.paused, s.run_at, s.time_zone, s.calendar, s.catch_up, s.starts_on,
       (SELECT max(r.business_date) FROM limits.reviews r WHERE r.schedule = s.schedule) AS newest_business_date,
       (SELECT count(*) FROM limits.passed_dates p
         WHERE p.schedule = s.schedule AND p.passed_at > clock_timestamp() - interval '7 days') AS passed_within_a_week
  FROM limits.schedules s;

CREATE VIEW limits_metrics.processes AS
SELECT w.worker, w.kind, w.host, w.started_at, w.heartbeat_at,
       extract(epoch FROM clock_timestamp() - w.heartbeat_at)::float8 AS age_seconds
  FROM limits.workers w;

CREATE VIEW limits_metrics.kill_switch AS
SELECT k.engaged, k.changed_at FROM limits.kill_switch k;

-- What waits for somebody or something, how much of it, and since when.
CREATE VIEW limits_metrics.waiting AS
SELECT 'messages' AS what, count(*) AS waiting, min(created_at) AS oldest_at FROM limits.outbox WHERE delivered_at IS NULL
UNION ALL
SELECT 'notices', count(*), min(created_at) FROM limits.notices WHERE delivered_at IS NULL
UNION ALL
SELECT 'notices overdue', count(*), min(created_at) FROM limits.notices
 WHERE delivered_at IS NULL AND due_on < (clock_timestamp() AT TIME ZONE 'UTC')::date
UNION ALL
SELECT 'announced changes due', count(*), min(effective_on::timestamp AT TIME ZONE 'UTC') FROM limits.pending_changes
 WHERE state = 'open' AND kind = 'announced' AND effective_on <= (clock_timestamp() AT TIME ZONE 'UTC')::date
UNION ALL
SELECT 'overrides to approve', count(*), min(proposed_at) FROM limits.overrides WHERE state = 'proposed'
UNION ALL
SELECT 'policies to approve', count(*), min(proposed_at) FROM limits.policy_approvals WHERE state = 'proposed'
UNION ALL
SELECT 'months to refresh', count(DISTINCT month), NULL FROM limits.dirty_months
UNION ALL
SELECT 'users to pack', count(DISTINCT user_id), NULL FROM limits.dirty_users
UNION ALL
SELECT 'batches to seal', count(*), min(b.applied_at) FROM limits.batches b
 WHERE NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.batch_id = b.batch_id);

-- The newest checkpoint; no row before the first.
CREATE VIEW limits_metrics.checkpoint AS
SELECT c.checkpoint_id, c.tree_size, c.entries, c.key_id, c.made_at,
       extract(epoch FROM clock_timestamp() - c.made_at)::float8 AS age_seconds
  FROM limits.checkpoints c ORDER BY c.checkpoint_id DESC LIMIT 1;

GRANT USAGE ON SCHEMA limits_metrics TO limits_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA limits_metrics TO limits_monitor;

-- Imports -------------------------------------------------------------------------------

-- When something came in is for the database to say, of these tables as of the later ones: what is newer than a
-- decision holds up a raise, and a state written as if it were of last week would not.
REVOKE INSERT ON limits.users, limits.user_profiles, limits.events, limits.statements, limits.repayments,
    limits.credit_checks, limits.imports, limits.quarantine, limits.policies FROM limits_operations;
REVOKE INSERT ON limits.policies FROM limits_worker;
GRANT INSERT (user_id, currency, opened_on, source) ON limits.users TO limits_operations;
GRANT INSERT (user_id, effective_on, status, segment, industry, jurisdiction, observed_from, observed_through,
              identity_status, identity_checked_on, income_status, income_verified_on, raise_consent, source, digest)
    ON limits.user_profiles TO limits_operations;
GRANT INSERT (user_id, occurred_at, kind, amount_minor, source, source_id) ON limits.events TO limits_operations;
GRANT INSERT (user_id, source, source_id, statement_on, due_on, balance_minor, amount_due_minor, minimum_due_minor,
              digest) ON limits.statements TO limits_operations;
GRANT INSERT (user_id, source, source_id, paid_on, amount_minor, digest) ON limits.repayments TO limits_operations;
GRANT INSERT (user_id, source, source_id, checked_on, active_lenders, outside_debt_minor,
              outside_monthly_payment_minor, inquiries, digest) ON limits.credit_checks TO limits_operations;
GRANT INSERT (kind, source, file_name, file_sha256, actor, finished_at, rows_total, rows_new, rows_known,
              rows_quarantined) ON limits.imports TO limits_operations;
GRANT INSERT (import_id, kind, source, file_name, line, reason, detail, raw, row_digest) ON limits.quarantine
    TO limits_operations;
GRANT INSERT (policy_hash, pack, effective_on, body, actor) ON limits.policies TO limits_worker, limits_operations;

-- Months --------------------------------------------------------------------------------

-- Whoever makes a month. A row and not an advisory lock, which anybody who may connect could take and keep.
INSERT INTO limits.turns VALUES ('month');

-- Months of a partitioned table, made when first needed. Concurrent callers meet on a row of turns
-- and the second finds the work done.
CREATE OR REPLACE FUNCTION limits.ensure_month(p_table regclass, p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_log   boolean := p_table = 'limits.adjustment_log'::regclass;
    v_month date := date_trunc('month', p_month)::date;
    v_last  date := date_trunc('month', clock_timestamp()) + CASE WHEN v_log THEN interval '2 months' ELSE interval '1 month' END;
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
    -- Nothing is decided, and nothing happens, so far ahead: whoever may call this would make tables without an end.
    -- Of a superuser it is not asked, see refuse_coming_date.
    IF v_month > v_last AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RAISE EXCEPTION 'ensure_month: % of % is later than %, the last month that is made now',
            to_char(v_month, 'YYYY-MM'), p_table, to_char(v_last, 'YYYY-MM');
    END IF;
    PERFORM 1 FROM limits.turns WHERE turn = 'month' FOR UPDATE;
    -- Not to_regclass: it may remember from before the wait that there was none.
    IF EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = v_name AND relnamespace = 'limits'::regnamespace) THEN
        RETURN;
    END IF;
    -- Made apart and then attached: CREATE ... PARTITION OF waits for every reader of the table, and everybody
    -- else behind it. Numbers come from the parent's identity, so the month has none of its own.
    EXECUTE format('CREATE TABLE limits.%I (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)', v_name, p_table);
    IF v_log THEN
        -- A trigger on the parent does not fire for TRUNCATE of a partition.
        EXECUTE format('CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.%I
                        FOR EACH ROW EXECUTE FUNCTION limits.refuse_change()', v_name);
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_change()', v_name);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER append_only_rows,
                                              ENABLE ALWAYS TRIGGER append_only_truncate', v_name);
    END IF;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION limits.%I FOR VALUES FROM (%L) TO (%L)',
                   p_table, v_name, v_month, (v_month + interval '1 month')::date);
END $$;

REVOKE EXECUTE ON FUNCTION limits.check_sealed, limits.check_checkpoint FROM PUBLIC;

RESET ROLE;
