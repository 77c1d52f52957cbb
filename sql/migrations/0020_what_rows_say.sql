-- depends: 0019_shard_guards
-- What a row may say, whoever writes it: an odd one by one login would stop the reviews of all others, or move a limit.

SET LOCAL ROLE limits_owner;

-- Dates without an end, and names of any length, break whoever reads them.
ALTER TABLE limits.schedules
    ADD CONSTRAINT schedules_name CHECK (schedule <> '' AND length(schedule) <= 100 AND schedule !~ '[[:cntrl:]]'),
    ADD CONSTRAINT schedules_run_at CHECK (run_at < '24:00'),
    ADD CONSTRAINT schedules_starts_on CHECK (starts_on BETWEEN '1900-01-01' AND '2199-12-31'),
    ADD CONSTRAINT schedules_holidays CHECK ('1900-01-01' <= ALL (holidays) AND '2199-12-31' >= ALL (holidays)),
    -- Whose login wrote it last: who says when reviews are owed, and by which policy, asks for them.
    ADD COLUMN session_role text NOT NULL DEFAULT session_user;
ALTER TABLE limits.passed_dates
    ADD CONSTRAINT passed_dates_date CHECK (business_date BETWEEN '1900-01-01' AND '2199-12-31'),
    ADD COLUMN session_role text NOT NULL DEFAULT session_user;
ALTER TABLE limits.dirty_months
    ADD CONSTRAINT dirty_months_years CHECK (month BETWEEN '1900-01-01' AND '2199-12-31');
ALTER TABLE limits.snapshots ADD CONSTRAINT snapshots_date CHECK (as_of BETWEEN '1900-01-01' AND '2199-12-31');
ALTER TABLE limits.policies ADD CONSTRAINT policies_date CHECK (effective_on BETWEEN '1900-01-01' AND '9999-12-31');
ALTER TABLE limits.workers ADD CONSTRAINT workers_times CHECK (isfinite(started_at) AND isfinite(heartbeat_at));
ALTER TABLE limits.reviews
    ADD CONSTRAINT reviews_times CHECK (isfinite(created_at) AND isfinite(started_at) AND isfinite(finished_at));
ALTER TABLE limits.shards
    ADD CONSTRAINT shards_times CHECK (isfinite(leased_until) AND isfinite(decided_at)),
    ADD CONSTRAINT shards_tally CHECK (NOT jsonb_path_exists(tally, '$.* ? (@.type() != "number")'));

-- Who wrote a row, and when a process was heard of, is for the database to say.
CREATE FUNCTION limits.sign_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.session_role := session_user;
    RETURN NEW;
END $$;
CREATE TRIGGER sign_row BEFORE INSERT OR UPDATE ON limits.schedules
    FOR EACH ROW EXECUTE FUNCTION limits.sign_row();
CREATE TRIGGER sign_row BEFORE INSERT ON limits.passed_dates
    FOR EACH ROW EXECUTE FUNCTION limits.sign_row();
REVOKE INSERT, UPDATE ON limits.workers FROM limits_worker, limits_operations;
GRANT INSERT (worker, kind, host, pid, doing), UPDATE (heartbeat_at, doing) ON limits.workers
    TO limits_worker, limits_operations;
CREATE FUNCTION limits.beat_now() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF NOT limits.unguarded() THEN
        NEW.heartbeat_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER beat_now BEFORE INSERT OR UPDATE ON limits.workers
    FOR EACH ROW EXECUTE FUNCTION limits.beat_now();

-- A date that has not come anywhere on earth is neither reviewed nor passed over. Of a superuser, who may have set a
-- role, it is not asked: clocks that do not tell the time are tried so.
CREATE FUNCTION limits.refuse_coming_date() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF NEW.business_date > (clock_timestamp() AT TIME ZONE 'UTC' + interval '14 hours')::date
       AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RAISE EXCEPTION 'the date % has not come', NEW.business_date USING ERRCODE = 'LM021';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_coming_date BEFORE INSERT ON limits.reviews
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_coming_date();
CREATE TRIGGER refuse_coming_date BEFORE INSERT ON limits.passed_dates
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_coming_date();

-- A row of turns is there to be locked: another name would be a lock that nobody looks for.
CREATE FUNCTION limits.refuse_renaming() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the rows of % are there to be locked', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER refuse_renaming BEFORE UPDATE OR DELETE OR TRUNCATE ON limits.turns
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_renaming();
ALTER TABLE limits.turns ENABLE ALWAYS TRIGGER refuse_renaming;

-- Opening a credit line says what it opens with, and nothing of what came later.
REVOKE INSERT ON limits.credit_lines FROM limits_operations;
GRANT INSERT (user_id, currency, limit_minor, opening_limit_minor, opened_on) ON limits.credit_lines
    TO limits_operations;
CREATE FUNCTION limits.open_as_said() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF NEW.limit_minor <> NEW.opening_limit_minor AND NOT limits.unguarded() THEN
        RAISE EXCEPTION 'the line of user % opens with one limit, not with two', NEW.user_id USING ERRCODE = 'LM003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER open_as_said BEFORE INSERT ON limits.credit_lines
    FOR EACH ROW EXECUTE FUNCTION limits.open_as_said();

-- Users of a review that get no decision: said by whoever has their shard, before they are decided.
CREATE FUNCTION limits.guard_exceptions() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF NOT limits.unguarded() AND EXISTS (
           SELECT FROM added n JOIN limits.reviews r ON r.review_id = n.review_id
            WHERE r.state <> 'running'
               OR NOT EXISTS (SELECT FROM limits.shards s
                               WHERE s.review_id = n.review_id AND n.user_id BETWEEN s.user_from AND s.user_to
                                 AND s.state = 'leased' AND s.stage = r.stage)
               OR EXISTS (SELECT FROM limits.adjustment_log l
                           WHERE l.user_id = n.user_id AND l.as_of = r.business_date AND l.review_id = n.review_id)) THEN
        RAISE EXCEPTION 'users are put aside while their shard is worked on, and before they are decided'
            USING ERRCODE = 'LM002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_exceptions AFTER INSERT ON limits.review_exceptions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION limits.guard_exceptions();
ALTER TABLE limits.review_exceptions ENABLE ALWAYS TRIGGER guard_exceptions;

-- Monthly cash flow -------------------------------------------------------------------------

-- Derived from what was imported, by this function alone.
--
-- Takes the marks of one month and writes that month anew for the users they name.
--
-- One statement, one snapshot: what is deleted as done is what was read. A mark committed
-- later is not seen, stays, and is taken by the next refresh; so is the event it stands for.
-- Sums are cut off at 2^62, far above any amount that is let in: a decision refuses them
-- for that user alone, where a failed cast would stop the refresh for everybody.
CREATE FUNCTION limits.refresh_month(p_month date) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' AS $$
    WITH taken AS (
        DELETE FROM limits.dirty_months WHERE month = p_month RETURNING user_id
    ), cells AS (
        SELECT DISTINCT user_id FROM taken
    ), profiles AS (
        -- Each profile holds from its date to the day before the next one's.
        SELECT p.user_id, p.observed_from, p.observed_through,
               daterange(p.effective_on, lead(p.effective_on) OVER (PARTITION BY p.user_id ORDER BY p.effective_on)) AS held
          FROM cells
          JOIN limits.user_profiles p USING (user_id)
    ), pieces (user_id, kind, amount_minor, held) AS (
        SELECT e.user_id, e.kind, e.amount_minor, NULL::daterange
          FROM cells
          JOIN limits.events e USING (user_id)
         WHERE e.occurred_at >= p_month AND e.occurred_at < (p_month + interval '1 month')::date
        UNION ALL
        SELECT s.user_id, 'due', s.amount_due_minor, NULL
          FROM cells
          JOIN limits.statements s USING (user_id)
         WHERE s.due_on BETWEEN p_month AND (p_month + interval '1 month')::date - 1
        UNION ALL
        SELECT r.user_id, 'repaid', r.amount_minor, NULL
          FROM cells
          JOIN limits.repayments r USING (user_id)
         WHERE r.paid_on BETWEEN p_month AND (p_month + interval '1 month')::date - 1
        UNION ALL
        SELECT user_id, 'window', NULL, held
          FROM profiles
         WHERE observed_from <= p_month AND observed_through >= (p_month + interval '1 month')::date - 1
    ), summed AS (
        -- A month of which nobody knows anything has no piece, and so no row.
        SELECT user_id, coalesce(range_agg(held), '{}') AS observed_as_of,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'income'), 0) AS inflow,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'essential'), 0) AS essential,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'discretionary'), 0) AS discretionary,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'fee'), 0) AS fees,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'penalty'), 0) AS penalties,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'obligation'), 0) AS obligations,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'due'), 0) AS amount_due,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'repaid'), 0) AS repaid
          FROM pieces
         GROUP BY user_id
    )
    INSERT INTO limits.monthly_cash_flow AS m (
        user_id, month, observed, observed_as_of, inflow_minor, essential_minor, discretionary_minor, fees_minor,
        penalties_minor, obligations_minor, amount_due_minor, repaid_minor)
    SELECT user_id, p_month, upper_inf(observed_as_of), observed_as_of,
           least(inflow, 2::numeric ^ 62)::bigint, least(essential, 2::numeric ^ 62)::bigint,
           least(discretionary, 2::numeric ^ 62)::bigint, least(fees, 2::numeric ^ 62)::bigint,
           least(penalties, 2::numeric ^ 62)::bigint, least(obligations, 2::numeric ^ 62)::bigint,
           least(amount_due, 2::numeric ^ 62)::bigint, least(repaid, 2::numeric ^ 62)::bigint
      FROM summed
     ORDER BY user_id
    ON CONFLICT (user_id, month) DO UPDATE
       SET observed = excluded.observed,
           observed_as_of = excluded.observed_as_of,
           inflow_minor = excluded.inflow_minor,
           essential_minor = excluded.essential_minor,
           discretionary_minor = excluded.discretionary_minor,
           fees_minor = excluded.fees_minor,
           penalties_minor = excluded.penalties_minor,
           obligations_minor = excluded.obligations_minor,
           amount_due_minor = excluded.amount_due_minor,
           repaid_minor = excluded.repaid_minor,
           updated_at = now()
     WHERE (m.observed_as_of, m.inflow_minor, m.essential_minor, m.discretionary_minor, m.fees_minor,
            m.penalties_minor, m.obligations_minor, m.amount_due_minor, m.repaid_minor)
           IS DISTINCT FROM
           (excluded.observed_as_of, excluded.inflow_minor, excluded.essential_minor, excluded.discretionary_minor,
            excluded.fees_minor, excluded.penalties_minor, excluded.obligations_minor, excluded.amount_due_minor,
            excluded.repaid_minor)
$$;

REVOKE INSERT, UPDATE ON limits.monthly_cash_flow FROM limits_worker, limits_operations;
REVOKE DELETE ON limits.dirty_months FROM limits_worker, limits_operations;

-- What came in after a decision was made, found without reading what was there before.
CREATE INDEX user_profiles_ingested ON limits.user_profiles USING brin (ingested_at);

REVOKE EXECUTE ON FUNCTION limits.sign_row, limits.beat_now, limits.refuse_coming_date, limits.refuse_renaming,
    limits.open_as_said, limits.guard_exceptions, limits.refresh_month FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.refresh_month TO limits_worker, limits_operations;

RESET ROLE;

-- The queue is its installer's. A message that cannot be read once more, or has no time, ends whoever reads it.
ALTER TABLE pgmq.q_limits
    ADD CONSTRAINT q_limits_readable CHECK (read_ct < 1000000000 AND isfinite(enqueued_at) AND isfinite(vt));
