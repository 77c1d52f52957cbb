-- depends: 0030_payment_record
-- Scorecards under two people's control: a model is proposed by one person and approved by another, as a policy is, and
-- scores from a date on. A review scores by the model in force on its business date, which its row names from the
-- first moment on, and every batch's record after it. docs/risk_reviews.md.
--
-- Errors: LM041, a model that is not approved was to score; LM011, a proposal or approval that may not be made so.

SET LOCAL ROLE limits_owner;

-- Every model that was ever proposed, byte for byte. A text under another text's hash would score in its name.
CREATE TABLE limits.risk_models (
    model_hash     bytea PRIMARY KEY,
    name           text NOT NULL CHECK (name <> ''),
    horizon_months integer NOT NULL CHECK (horizon_months BETWEEN 1 AND 24),
    body           text NOT NULL CHECK (octet_length(body) <= 4194304),
    actor          text NOT NULL CHECK (limits.person(actor) <> ''),
    stored_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (model_hash = sha256(convert_to(body, 'UTF8')))
);
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.risk_models
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.risk_models
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.risk_models
    ENABLE ALWAYS TRIGGER append_only_rows, ENABLE ALWAYS TRIGGER append_only_truncate;

-- Which model may score, and from which date on. One row per proposal.
CREATE TABLE limits.risk_approvals (
    approval_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_hash        bytea NOT NULL REFERENCES limits.risk_models,
    effective_on      date NOT NULL CHECK (effective_on BETWEEN '1900-01-01' AND '9999-12-31'),
    state             text NOT NULL DEFAULT 'proposed'
                      CHECK (state IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    maker             text NOT NULL CHECK (limits.person(maker) <> ''),
    maker_session     text NOT NULL DEFAULT session_user,
    proposed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason            text NOT NULL,
    checker           text CHECK (limits.person(checker) <> ''),
    checker_session   text,
    decided_at        timestamptz,
    decided_reason    text NOT NULL DEFAULT '',
    withdrawn_by      text CHECK (limits.person(withdrawn_by) <> ''),
    withdrawn_session text,
    withdrawn_at      timestamptz,
    withdrawn_reason  text NOT NULL DEFAULT '',
    CHECK (checker IS NULL OR limits.person(checker) <> limits.person(maker)),
    CHECK (CASE state WHEN 'proposed' THEN checker IS NULL AND withdrawn_by IS NULL
                      WHEN 'withdrawn' THEN withdrawn_by IS NOT NULL
                      ELSE checker IS NOT NULL AND withdrawn_by IS NULL END)
);
-- These two unique indexes ARE the guarantees: a model stands once, and on one date one model begins.
CREATE UNIQUE INDEX risk_approvals_standing ON limits.risk_approvals (model_hash)
    WHERE state IN ('proposed', 'approved');
CREATE UNIQUE INDEX risk_approvals_effective ON limits.risk_approvals (effective_on) WHERE state = 'approved';

-- Keeps the model and proposes it.
CREATE FUNCTION limits.propose_risk_model(p_body text, p_name text, p_horizon integer, p_effective date, p_actor text,
                                          p_reason text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_hash  bytea := sha256(convert_to(p_body, 'UTF8'));
    v_id    bigint;
    v_there limits.risk_approvals;
BEGIN
    INSERT INTO limits.risk_models (model_hash, name, horizon_months, body, actor)
    VALUES (v_hash, p_name, p_horizon, p_body, btrim(p_actor)) ON CONFLICT (model_hash) DO NOTHING;
    INSERT INTO limits.risk_approvals (model_hash, effective_on, maker, reason)
    VALUES (v_hash, p_effective, btrim(p_actor), p_reason)
    ON CONFLICT (model_hash) WHERE state IN ('proposed', 'approved') DO NOTHING
    RETURNING approval_id INTO v_id;
    IF v_id IS NULL THEN
        SELECT * INTO v_there FROM limits.risk_approvals
         WHERE model_hash = v_hash AND state IN ('proposed', 'approved');
        RAISE EXCEPTION 'model % is % already, from % on (number %, proposed by %)', encode(v_hash, 'hex'),
            v_there.state, v_there.effective_on, v_there.approval_id, v_there.maker USING ERRCODE = 'LM011';
    END IF;
    RETURN v_id;
END $$;

-- p_verdict: approve, reject or withdraw. To stop a model one person is enough, and be it the one who proposed it.
-- False when that was done before: nothing is changed then.
CREATE FUNCTION limits.decide_risk_model(p_approval bigint, p_verdict text, p_actor text, p_reason text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_row   limits.risk_approvals;
    v_state text := CASE p_verdict WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected'
                                   WHEN 'withdraw' THEN 'withdrawn' END;
BEGIN
    IF v_state IS NULL OR coalesce(btrim(p_actor), '') = '' THEN
        RAISE EXCEPTION 'a verdict is approve, reject or withdraw, by somebody with a name' USING ERRCODE = 'LM011';
    END IF;
    -- One verdict at a time. The table and not an advisory lock, which anybody who may connect could take and keep.
    LOCK TABLE limits.risk_approvals IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO v_row FROM limits.risk_approvals WHERE approval_id = p_approval FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no proposal % of a model', p_approval USING ERRCODE = 'LM011';
    END IF;
    IF v_row.state = v_state THEN
        RETURN false;
    END IF;
    IF v_row.state NOT IN ('proposed', 'approved') OR (v_row.state = 'approved' AND v_state <> 'withdrawn') THEN
        RAISE EXCEPTION 'proposal % of a model is % and cannot be % any more', p_approval, v_row.state, v_state
            USING ERRCODE = 'LM011';
    END IF;
    IF v_state = 'withdrawn' THEN
        UPDATE limits.risk_approvals
           SET state = 'withdrawn', withdrawn_by = btrim(p_actor), withdrawn_session = session_user,
               withdrawn_at = clock_timestamp(), withdrawn_reason = p_reason
         WHERE approval_id = p_approval;
        RETURN true;
    END IF;
    PERFORM limits.check_second_person(format('proposal %s of a model', p_approval), v_row.maker, v_row.maker_session,
                                       p_actor);
    IF v_state = 'approved' THEN
        UPDATE limits.risk_approvals
           SET state = 'withdrawn', withdrawn_by = btrim(p_actor), withdrawn_session = session_user,
               withdrawn_at = clock_timestamp(), withdrawn_reason = 'superseded by ' || encode(v_row.model_hash, 'hex')
         WHERE effective_on = v_row.effective_on AND state = 'approved';
    END IF;
    UPDATE limits.risk_approvals
       SET state = v_state, checker = btrim(p_actor), checker_session = session_user, decided_at = clock_timestamp(),
           decided_reason = p_reason
     WHERE approval_id = p_approval;
    RETURN true;
END $$;

-- The newest approved model that is effective by a date; NULL for none.
CREATE FUNCTION limits.risk_model_in_force(p_date date) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT a.model_hash FROM limits.risk_approvals a
     WHERE a.state = 'approved' AND a.effective_on <= p_date ORDER BY a.effective_on DESC LIMIT 1
$$;

-- LM041 unless the model is approved; without one there is nothing to refuse. The approval stays locked until the
-- caller's transaction ends: once a withdrawal has returned, nothing is applied that was scored by it.
CREATE FUNCTION limits.require_risk_model(p_model bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF p_model IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM limits.risk_approvals WHERE model_hash = p_model AND state = 'approved' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the risk model % is not approved%', encode(p_model, 'hex'), coalesce(
            (SELECT format('; it was %s by %s', a.state, coalesce(a.withdrawn_by, a.checker, a.maker))
               FROM limits.risk_approvals a WHERE a.model_hash = p_model ORDER BY a.approval_id DESC LIMIT 1), '')
            USING ERRCODE = 'LM041';
    END IF;
END $$;

-- Reviews -----------------------------------------------------------------------------------

-- What scores the users of a review, from the moment on at which it is owed. Nobody chooses it: the trigger does.
ALTER TABLE limits.reviews ADD COLUMN risk_model bytea REFERENCES limits.risk_models;
CREATE OR REPLACE VIEW limits_read.reviews AS SELECT * FROM limits.reviews;

CREATE FUNCTION limits.choose_risk_model() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    NEW.risk_model := limits.risk_model_in_force(NEW.business_date);
    RETURN NEW;
END $$;
CREATE TRIGGER risk_model BEFORE INSERT ON limits.reviews
    FOR EACH ROW EXECUTE FUNCTION limits.choose_risk_model();
ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER risk_model;

-- Nothing is applied that was scored by a model that does not stand: a batch is the one way to apply anything.
CREATE FUNCTION limits.check_risk_model() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    PERFORM limits.require_risk_model((SELECT r.risk_model FROM limits.reviews r WHERE r.review_id = NEW.review_id));
    RETURN NEW;
END $$;
CREATE TRIGGER approved_risk_model BEFORE INSERT ON limits.batches
    FOR EACH ROW EXECUTE FUNCTION limits.check_risk_model();
ALTER TABLE limits.batches ENABLE ALWAYS TRIGGER approved_risk_model;

-- As in 0021, and the record says which model scored.
CREATE OR REPLACE FUNCTION limits.batch_record(
    p_batch bigint, p_review limits.reviews, p_shard integer, p_token bigint, p_currency text, p_input bytea,
    p_model bytea, p_code text, p_decided timestamptz, p_applied timestamptz, p_users bigint, p_delta bigint,
    p_root bytea, p_previous bytea) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT concat(
        'limits batch 1', E'\n',
        'batch ', p_batch, E'\n',
        'review ', p_review.review_id, E'\n',
        'kind ', p_review.kind, E'\n',
        'shard ', p_shard, E'\n',
        'token ', p_token, E'\n',
        'as_of ', to_char(p_review.business_date, 'YYYY-MM-DD'), E'\n',
        'currency ', p_currency, E'\n',
        'policy ', encode(p_review.policy_hash, 'hex'), E'\n',
        'input ', encode(p_input, 'hex'), E'\n',
        'model ', encode(p_model, 'hex'), E'\n',
        'risk ', coalesce(encode(p_review.risk_model, 'hex'), 'none'), E'\n',
        'code ', limits.record_word(p_code), E'\n',
        'role champion', E'\n',
        'actor ', limits.record_word(p_review.actor), E'\n',
        'login ', limits.record_word(session_user::text), E'\n',
        'decided_at ', limits.record_instant(p_decided), E'\n',
        'applied_at ', limits.record_instant(p_applied), E'\n',
        'users ', p_users, E'\n',
        'delta_minor ', p_delta, E'\n',
        'root ', encode(p_root, 'hex'), E'\n',
        'previous ', encode(coalesce(p_previous, decode(repeat('00', 32), 'hex')), 'hex'), E'\n')
$$;

-- Who may -----------------------------------------------------------------------------------

CREATE VIEW limits_read.risk_models AS SELECT * FROM limits.risk_models;
CREATE VIEW limits_read.risk_approvals AS SELECT * FROM limits.risk_approvals;
REVOKE EXECUTE ON FUNCTION limits.propose_risk_model, limits.decide_risk_model, limits.risk_model_in_force,
    limits.require_risk_model, limits.choose_risk_model, limits.check_risk_model FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.propose_risk_model, limits.decide_risk_model TO limits_operations;
GRANT EXECUTE ON FUNCTION limits.require_risk_model TO limits_worker, limits_operations;
GRANT EXECUTE ON FUNCTION limits.risk_model_in_force TO limits_worker, limits_operations, limits_auditor;
GRANT SELECT ON limits_read.risk_models, limits_read.risk_approvals
    TO limits_worker, limits_operations, limits_auditor;

RESET ROLE;
