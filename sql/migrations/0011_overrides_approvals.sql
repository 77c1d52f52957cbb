-- depends: 0009_policy_inputs
-- Who decides what decides: policies and overrides are proposed by one person and approved by
-- another, and only through the functions here. A review runs by an approved policy or not at all.
--
-- Errors: LM004, a policy that is not approved was to decide; LM012, one that is not in force; LM011, a proposal, approval or
-- override that may not be made so.

SET LOCAL ROLE limits_owner;

-- A name without what does not tell two people apart: case, spaces, and signs that cannot be seen.
CREATE FUNCTION limits.person(p_name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT lower(regexp_replace(normalize(p_name, NFKC), '[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]+', '', 'g'));
$$;

-- Who took back a proposal, or an approval: the approval itself stays readable beside it.
ALTER TABLE limits.policy_approvals
    ADD COLUMN withdrawn_by text CHECK (limits.person(withdrawn_by) <> ''),
    ADD COLUMN withdrawn_session text,
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN withdrawn_reason text NOT NULL DEFAULT '',
    DROP CONSTRAINT policy_approvals_check1,
    ADD CONSTRAINT policy_approvals_states CHECK (
        CASE state
            WHEN 'proposed' THEN checker IS NULL AND withdrawn_by IS NULL
            WHEN 'withdrawn' THEN withdrawn_by IS NOT NULL
            ELSE checker IS NOT NULL AND withdrawn_by IS NULL
        END),
    ADD CONSTRAINT policy_approvals_two_people CHECK (checker IS NULL OR limits.person(checker) <> limits.person(maker)),
    ADD CHECK (limits.person(maker) <> '' AND limits.person(checker) <> '');

ALTER TABLE limits.overrides
    ADD COLUMN ended_session text,
    ADD COLUMN ended_reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT overrides_two_people CHECK (checker IS NULL OR limits.person(checker) <> limits.person(maker)),
    ADD CHECK (limits.person(ended_by) <> ''),
    ADD CHECK (limits.person(maker) <> '' AND limits.person(checker) <> '');

-- Who may say yes to what somebody proposed: another person on another login. A superuser could
-- write the tables directly, so of superusers no other login is asked for: the embedded database
-- has one only, and whoever may use its folder may do everything.
CREATE FUNCTION limits.check_second_person(p_what text, p_maker text, p_maker_session text, p_actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF limits.person(p_actor) = limits.person(p_maker) THEN
        RAISE EXCEPTION '% was proposed by %, who may not decide on it as well; somebody else has to', p_what, p_maker
            USING ERRCODE = 'LM011';
    END IF;
    IF session_user = p_maker_session
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user) THEN
        RAISE EXCEPTION '% was proposed on the login %, which may not decide on it under another name; use another login',
            p_what, p_maker_session USING ERRCODE = 'LM011';
    END IF;
END $$;

-- Policies --------------------------------------------------------------------------------

CREATE FUNCTION limits.propose_policy(p_policy_hash bytea, p_role text, p_actor text, p_reason text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_id    bigint;
    v_there limits.policy_approvals;
BEGIN
    INSERT INTO limits.policy_approvals (policy_hash, role, maker, reason)
    VALUES (p_policy_hash, p_role, btrim(p_actor), p_reason)
    ON CONFLICT (policy_hash, role) WHERE state IN ('proposed', 'approved') DO NOTHING
    RETURNING approval_id INTO v_id;
    IF v_id IS NULL THEN
        SELECT * INTO v_there FROM limits.policy_approvals
         WHERE policy_hash = p_policy_hash AND role = p_role AND state IN ('proposed', 'approved');
        RAISE EXCEPTION 'policy % is % as % already (number %, proposed by %)', encode(p_policy_hash, 'hex'),
            v_there.state, p_role, v_there.approval_id, v_there.maker USING ERRCODE = 'LM011';
    END IF;
    RETURN v_id;
END $$;

-- p_verdict: approve, reject or withdraw. To stop a policy one person is enough, and be it the
-- one who proposed it. False when that was done before: nothing is changed then.
CREATE FUNCTION limits.decide_policy(p_approval bigint, p_verdict text, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_row    limits.policy_approvals;
    v_policy limits.policies;
    v_state  text := CASE p_verdict WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected'
                                    WHEN 'withdraw' THEN 'withdrawn' END;
BEGIN
    IF v_state IS NULL OR coalesce(btrim(p_actor), '') = '' THEN
        RAISE EXCEPTION 'a verdict is approve, reject or withdraw, by somebody with a name' USING ERRCODE = 'LM011';
    END IF;
    -- One verdict at a time: two approvals for one pack and date would not see each other. The table
    -- and not an advisory lock, which anybody who may connect could take and keep.
    LOCK TABLE limits.policy_approvals IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO v_row FROM limits.policy_approvals WHERE approval_id = p_approval FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no proposal %', p_approval USING ERRCODE = 'LM011';
    END IF;
    IF v_row.state = v_state THEN
        RETURN false;
    END IF;
    IF v_row.state NOT IN ('proposed', 'approved') OR (v_row.state = 'approved' AND v_state <> 'withdrawn') THEN
        RAISE EXCEPTION 'proposal % is % and cannot be % any more', p_approval, v_row.state, v_state
            USING ERRCODE = 'LM011';
    END IF;
    IF v_state = 'withdrawn' THEN
        UPDATE limits.policy_approvals
           SET state = 'withdrawn', withdrawn_by = btrim(p_actor), withdrawn_session = session_user,
               withdrawn_at = clock_timestamp(), withdrawn_reason = p_reason
         WHERE approval_id = p_approval;
        RETURN true;
    END IF;
    PERFORM limits.check_second_person(format('proposal %s', p_approval), v_row.maker, v_row.maker_session, p_actor);
    UPDATE limits.policy_approvals
       SET state = v_state, checker = btrim(p_actor), checker_session = session_user, decided_at = clock_timestamp(),
           decided_reason = p_reason
     WHERE approval_id = p_approval;
    IF v_state = 'approved' THEN
        SELECT * INTO v_policy FROM limits.policies WHERE policy_hash = v_row.policy_hash;
        UPDATE limits.policy_approvals a
           SET state = 'withdrawn', withdrawn_by = btrim(p_actor), withdrawn_session = session_user,
               withdrawn_at = clock_timestamp(),
               withdrawn_reason = 'superseded by ' || encode(v_row.policy_hash, 'hex')
          FROM limits.policies p
         WHERE p.policy_hash = a.policy_hash AND p.pack = v_policy.pack AND p.effective_on = v_policy.effective_on
           AND a.role = v_row.role AND a.state = 'approved' AND a.approval_id <> p_approval;
    END IF;
    RETURN true;
END $$;

-- LM004 unless the policy is approved to decide. The approval stays locked until the caller's
-- transaction ends: once a withdrawal has returned, nothing is applied by that policy any more.
CREATE FUNCTION limits.require_approved(p_policy_hash bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_policy limits.policies;
    v_hash   bytea;
BEGIN
    PERFORM 1 FROM limits.policy_approvals
      WHERE policy_hash = p_policy_hash AND role = 'champion' AND state = 'approved' FOR SHARE;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO v_policy FROM limits.policies WHERE policy_hash = p_policy_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'policy % is not kept in the database, so nobody approved it', encode(p_policy_hash, 'hex')
            USING ERRCODE = 'LM004';
    END IF;
    SELECT a.policy_hash INTO v_hash FROM limits.policy_approvals a JOIN limits.policies p USING (policy_hash)
     WHERE p.pack = v_policy.pack AND p.effective_on = v_policy.effective_on AND a.role = 'champion'
       AND a.state = 'approved' ORDER BY a.approval_id DESC LIMIT 1;
    RAISE EXCEPTION 'policy % (pack %, effective on %) is not approved; %', encode(p_policy_hash, 'hex'), v_policy.pack,
        v_policy.effective_on,
        coalesce('approved for that pack and date is ' || encode(v_hash, 'hex'),
                 'for that pack and date none is approved') USING ERRCODE = 'LM004';
END $$;

CREATE FUNCTION limits.require_approved_policy() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_policy limits.policies;
    v_newer  limits.policies;
BEGIN
    PERFORM limits.require_approved(NEW.policy_hash);
    -- An approval is for a pack from a date on, until that of the next one that is approved.
    SELECT * INTO v_policy FROM limits.policies WHERE policy_hash = NEW.policy_hash;
    SELECT p.* INTO v_newer FROM limits.policies p
      JOIN limits.policy_approvals a ON a.policy_hash = p.policy_hash AND a.role = 'champion' AND a.state = 'approved'
     WHERE p.pack = v_policy.pack AND p.effective_on <= NEW.business_date
     ORDER BY p.effective_on DESC LIMIT 1;
    IF v_policy.effective_on > NEW.business_date OR v_newer.effective_on > v_policy.effective_on THEN
        RAISE EXCEPTION 'policy % (pack %, effective on %) is not in force on %; %', encode(NEW.policy_hash, 'hex'),
            v_policy.pack, v_policy.effective_on, NEW.business_date,
            coalesce(format('in force is %s, effective on %s; name its file', encode(v_newer.policy_hash, 'hex'),
                            v_newer.effective_on), 'of that pack none is') USING ERRCODE = 'LM012';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approved_policy BEFORE INSERT ON limits.reviews
    FOR EACH ROW EXECUTE FUNCTION limits.require_approved_policy();
ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER approved_policy;

-- Overrides ---------------------------------------------------------------------------------

CREATE FUNCTION limits.propose_override(
    p_user bigint, p_kind text, p_amount_minor bigint, p_starts_on date, p_expires_on date, p_actor text, p_reason text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_today    date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    v_currency char(3);
    v_id       bigint;
BEGIN
    SELECT currency INTO v_currency FROM limits.credit_lines WHERE user_id = p_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'user % has no credit line', p_user USING ERRCODE = 'LM011';
    END IF;
    -- A larger one would keep the user out of every review.
    IF p_amount_minor > 1000000000000000 THEN
        RAISE EXCEPTION 'an override of % minor units is too large; at most 1000000000000000 are let in', p_amount_minor
            USING ERRCODE = 'LM011';
    END IF;
    IF p_starts_on < v_today THEN
        RAISE EXCEPTION 'an override counts from % (UTC) on at the earliest, not from %', v_today, p_starts_on
            USING ERRCODE = 'LM011';
    END IF;
    INSERT INTO limits.overrides (user_id, kind, amount_minor, currency, reason, starts_on, expires_on, maker)
    VALUES (p_user, p_kind, p_amount_minor, v_currency, p_reason, p_starts_on, p_expires_on, btrim(p_actor))
    RETURNING override_id INTO v_id;
    RETURN v_id;
END $$;

-- p_verdict: approve or reject. An override counts from its approval on, never before. False when
-- that was done before.
CREATE FUNCTION limits.decide_override(p_override bigint, p_verdict text, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_row   limits.overrides;
    v_today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    v_state text := CASE p_verdict WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected' END;
BEGIN
    IF v_state IS NULL OR coalesce(btrim(p_actor), '') = '' THEN
        RAISE EXCEPTION 'a verdict is approve or reject, by somebody with a name' USING ERRCODE = 'LM011';
    END IF;
    SELECT * INTO v_row FROM limits.overrides WHERE override_id = p_override FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no override %', p_override USING ERRCODE = 'LM011';
    END IF;
    IF v_row.state = v_state THEN
        RETURN false;
    END IF;
    IF v_row.state <> 'proposed' THEN
        RAISE EXCEPTION 'override % is % and cannot be % any more', p_override, v_row.state, v_state
            USING ERRCODE = 'LM011';
    END IF;
    PERFORM limits.check_second_person(format('override %s', p_override), v_row.maker, v_row.maker_session, p_actor);
    IF v_state = 'approved' AND v_row.expires_on <= v_today THEN
        RAISE EXCEPTION 'override % would have ended on %; propose another', p_override, v_row.expires_on
            USING ERRCODE = 'LM011';
    END IF;
    -- Whoever is deciding on the user either has done so or sees this.
    PERFORM 1 FROM limits.credit_lines WHERE user_id = v_row.user_id FOR NO KEY UPDATE;
    UPDATE limits.overrides
       SET state = v_state, checker = btrim(p_actor), checker_session = session_user, decided_at = clock_timestamp(),
           decided_reason = p_reason,
           starts_on = CASE v_state WHEN 'approved' THEN greatest(starts_on, v_today) ELSE starts_on END
     WHERE override_id = p_override;
    RETURN true;
END $$;

-- Before its time. One person is enough: what counts then is the policy, which two have agreed on.
CREATE FUNCTION limits.end_override(p_override bigint, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_row limits.overrides;
BEGIN
    SELECT * INTO v_row FROM limits.overrides WHERE override_id = p_override FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no override %', p_override USING ERRCODE = 'LM011';
    END IF;
    IF v_row.state = 'ended' THEN
        RETURN false;
    END IF;
    IF v_row.state <> 'approved' OR coalesce(btrim(p_actor), '') = '' THEN
        RAISE EXCEPTION 'override % is %; what is approved can be ended, by somebody with a name', p_override,
            v_row.state USING ERRCODE = 'LM011';
    END IF;
    UPDATE limits.overrides
       SET state = 'ended', ended_by = btrim(p_actor), ended_session = session_user, ended_reason = p_reason,
           ended_on = (clock_timestamp() AT TIME ZONE 'UTC')::date
     WHERE override_id = p_override;
    RETURN true;
END $$;

-- In the shadow -----------------------------------------------------------------------------

-- Where a challenger came to nothing: the champion's decisions about the same users stand.
CREATE TABLE limits.challenger_failures (
    failure_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id   bigint NOT NULL REFERENCES limits.reviews,
    shard       integer NOT NULL,
    policy_hash bytea NOT NULL REFERENCES limits.policies,
    users       bigint NOT NULL CHECK (users > 0),      -- that it decided nothing about
    user_from   bigint NOT NULL,                        -- the first of them
    error       text NOT NULL CHECK (error <> ''),
    failed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX challenger_failures_review ON limits.challenger_failures (review_id);

-- Once for each COPY and not for each row: only approved challengers, of reviews that run.
CREATE FUNCTION limits.check_challengers() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT review_id, policy_hash, as_of FROM added) a
          LEFT JOIN limits.reviews r ON r.review_id = a.review_id AND r.state = 'running'
                                    AND r.business_date = a.as_of AND r.policy_hash <> a.policy_hash
          LEFT JOIN limits.policy_approvals p ON p.policy_hash = a.policy_hash AND p.role = 'challenger'
                                             AND p.state = 'approved'
         WHERE r.review_id IS NULL OR p.approval_id IS NULL) THEN
        RAISE EXCEPTION 'only an approved challenger is logged, beside a review that runs' USING ERRCODE = 'LM004';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER approved_challengers AFTER INSERT ON limits.challenger_log REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION limits.check_challengers();

CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.challenger_log
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.challenger_log
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_change();
ALTER TABLE limits.challenger_log ENABLE ALWAYS TRIGGER append_only_rows,
                                  ENABLE ALWAYS TRIGGER append_only_truncate,
                                  ENABLE ALWAYS TRIGGER approved_challengers;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.challenger_failures
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.challenger_failures
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_change();
ALTER TABLE limits.challenger_failures ENABLE ALWAYS TRIGGER append_only_rows,
                                       ENABLE ALWAYS TRIGGER append_only_truncate;

-- Grants ------------------------------------------------------------------------------------

REVOKE EXECUTE ON FUNCTION limits.person, limits.check_second_person, limits.propose_policy, limits.decide_policy,
    limits.require_approved, limits.require_approved_policy, limits.propose_override, limits.decide_override,
    limits.end_override, limits.check_challengers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.propose_policy, limits.decide_policy, limits.propose_override,
    limits.decide_override, limits.end_override TO limits_operations;
GRANT EXECUTE ON FUNCTION limits.require_approved TO limits_worker, limits_operations;
GRANT SELECT ON limits.challenger_failures TO limits_worker, limits_operations, limits_auditor;
GRANT INSERT (review_id, user_id, policy_hash, as_of, currency, limit_before_minor, limit_after_minor, binding,
              reason_bits, lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor,
              capacity_p90_minor, capacity_method, input_digest, code_version)
    ON limits.challenger_log TO limits_worker;
GRANT INSERT (review_id, shard, policy_hash, users, user_from, error) ON limits.challenger_failures TO limits_worker;

RESET ROLE;
