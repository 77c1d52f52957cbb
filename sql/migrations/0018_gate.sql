-- depends: 0015_review_engine
-- Between deciding and applying: who lets a review through, holds it, releases or cancels it, and
-- who stops everything. Workers compute what a review comes to; they move nothing that was held.
--
-- Errors: LM021, a review cannot be moved so; LM011, not by this person or login.

SET LOCAL ROLE limits_owner;

-- Who asked, by login; unknown for reviews that were there before.
ALTER TABLE limits.reviews ADD COLUMN session_role text;
ALTER TABLE limits.reviews
    ALTER COLUMN session_role SET DEFAULT session_user,
    -- What is written here is shown to people, and compared with today: no date without an end, nothing unseen.
    ADD CONSTRAINT reviews_date CHECK (business_date BETWEEN '1900-01-01' AND '2199-12-31'),
    ADD CONSTRAINT reviews_schedule CHECK (schedule <> '' AND length(schedule) <= 100 AND schedule !~ '[[:cntrl:]]'),
    ADD CONSTRAINT reviews_actor CHECK (limits.person(actor) <> '' AND length(actor) <= 500 AND actor !~ '[[:cntrl:]]');

-- What happened to a review between deciding and applying. Written by the functions below only.
CREATE TABLE limits.gate_events (
    event_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id    bigint NOT NULL REFERENCES limits.reviews,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    what         text NOT NULL CHECK (what IN ('passed', 'canary', 'held', 'released', 'cancelled', 'resumed')),
    actor        text NOT NULL CHECK (limits.person(actor) <> ''),
    session_role text NOT NULL DEFAULT session_user,
    reason       text NOT NULL DEFAULT '',
    figures      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX gate_events_review ON limits.gate_events (review_id, event_id);

-- Each time that somebody turned the kill switch.
CREATE TABLE limits.kill_switch_events (
    event_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    engaged      boolean NOT NULL,
    actor        text NOT NULL CHECK (limits.person(actor) <> ''),
    session_role text NOT NULL DEFAULT session_user,
    reason       text NOT NULL DEFAULT ''
);
ALTER TABLE limits.kill_switch ADD COLUMN session_role text;

CREATE FUNCTION limits.refuse_rewriting() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.gate_events
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.gate_events
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.gate_events ENABLE ALWAYS TRIGGER append_only_rows, ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.kill_switch_events
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.kill_switch_events
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.kill_switch_events
    ENABLE ALWAYS TRIGGER append_only_rows, ENABLE ALWAYS TRIGGER append_only_truncate;

-- Which way a review may go ----------------------------------------------------------------

-- Whether nothing is asked of the caller beyond what constraints say: the functions of the owner know what they do,
-- and a superuser could drop any guard.
CREATE FUNCTION limits.unguarded() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_user = 'limits_owner' OR (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
$$;

-- Whether every shard of a review is done, and its counts and sums are those of the shards and exceptions.
CREATE FUNCTION limits.is_over(r limits.reviews) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT s.open = 0
       AND (r.users_raised, r.users_held, r.users_lowered, r.exposure_before_minor, r.exposure_after_minor)
           IS NOT DISTINCT FROM (s.raised, s.held, s.lowered, s.before, s.after)
       AND (r.users_quarantined, r.users_skipped) IS NOT DISTINCT FROM (x.quarantined, x.skipped)
       AND r.users_total IS NOT DISTINCT FROM s.raised + s.held + s.lowered + x.quarantined + x.skipped
      FROM (SELECT count(*) FILTER (WHERE state <> 'done') AS open,
                   coalesce(sum(users_raised), 0)::bigint AS raised,
                   coalesce(sum(users_held), 0)::bigint AS held,
                   coalesce(sum(users_lowered), 0)::bigint AS lowered,
                   coalesce(sum(exposure_before_minor), 0)::bigint AS before,
                   coalesce(sum(exposure_after_minor), 0)::bigint AS after
              FROM limits.shards WHERE review_id = r.review_id) s,
           (SELECT count(*) FILTER (WHERE outcome = 'quarantined') AS quarantined,
                   count(*) FILTER (WHERE outcome = 'skipped') AS skipped
              FROM limits.review_exceptions WHERE review_id = r.review_id) x
$$;

-- What a worker may do with its own UPDATE: plan, fail, and end a review whose every shard is done, with the
-- sums of these. The gate, a release, a cancellation and a resumption are functions of the owner. Runs with the
-- caller's rights, because it asks who that is; the ways that there are hold for everybody.
CREATE FUNCTION limits.guard_review() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_unguarded boolean := limits.unguarded();
    v_way       text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.session_role := session_user;
        IF NOT v_unguarded AND (NEW.kind <> 'scheduled' OR NEW.state <> 'owed' OR NEW.stage <> 'decide'
                                OR NEW.released_shards <> 0) THEN
            RAISE EXCEPTION 'a review of a schedule begins as owed, one of a user by limits.begin_recompute'
                USING ERRCODE = 'LM021';
        END IF;
        RETURN NEW;
    END IF;
    NEW.session_role := OLD.session_role;
    v_way := OLD.state || '>' || NEW.state;
    IF NEW.state NOT IN ('owed', 'running', 'held', 'done', 'failed', 'cancelled') THEN
        RETURN NEW;   -- the constraint has a word for that
    END IF;
    IF OLD.state <> NEW.state AND v_way NOT IN (
           'owed>running', 'owed>failed', 'owed>cancelled', 'running>done', 'running>held', 'running>failed',
           'running>cancelled', 'held>running', 'held>cancelled', 'failed>owed', 'failed>running', 'failed>cancelled')
       OR OLD.state IN ('done', 'cancelled') AND (NEW.stage, NEW.released_shards) <> (OLD.stage, OLD.released_shards)
    THEN
        RAISE EXCEPTION 'review % is % and cannot become %', OLD.review_id, OLD.state, NEW.state
            USING ERRCODE = 'LM021';
    END IF;
    IF v_unguarded THEN
        RETURN NEW;
    END IF;
    IF OLD.state IN ('held', 'done', 'cancelled') THEN
        RAISE EXCEPTION 'review % is %: what it says of itself stays so', OLD.review_id, OLD.state
            USING ERRCODE = 'LM021';
    END IF;
    IF OLD.state <> NEW.state AND v_way NOT IN ('owed>running', 'owed>failed', 'running>done', 'running>failed')
       OR (NEW.stage, NEW.released_shards) <> (OLD.stage, OLD.released_shards) THEN
        RAISE EXCEPTION 'review % is %, in stage %: % may not make it %, in stage %', OLD.review_id, OLD.state,
            OLD.stage, current_user, NEW.state, NEW.stage USING ERRCODE = 'LM021';
    END IF;
    IF v_way = 'running>done' AND NOT limits.is_over(NEW) THEN
        RAISE EXCEPTION 'review % has shards that are not done, or other sums than these', OLD.review_id
            USING ERRCODE = 'LM021';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_review BEFORE INSERT OR UPDATE ON limits.reviews
    FOR EACH ROW EXECUTE FUNCTION limits.guard_review();
ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER guard_review;

-- The shards that may be applied next: one in a hundred and at least one, then one in ten, then all.
-- Stages that do not differ from the one before fall away: of up to 10 shards the first, then all.
CREATE FUNCTION limits.next_release(p_shards integer, p_released integer) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(stage) FROM unnest(ARRAY[(p_shards + 99) / 100, (p_shards + 9) / 10, p_shards]) stage
     WHERE stage > p_released
$$;

CREATE FUNCTION limits.release_next(p_review bigint) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    UPDATE limits.reviews r
       SET stage = 'apply',
           released_shards = coalesce(limits.next_release((SELECT count(*)::int FROM limits.shards s
                                                            WHERE s.review_id = p_review), r.released_shards),
                                      r.released_shards)
     WHERE r.review_id = p_review
    RETURNING r.released_shards
$$;

-- LM021 where the review does not run, or no longer; else it is locked.
CREATE FUNCTION limits.lock_running(p_review bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    PERFORM 1 FROM limits.reviews
      WHERE review_id = p_review AND kind = 'scheduled' AND state = 'running' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'review % does not run', p_review USING ERRCODE = 'LM021';
    END IF;
END $$;

-- A review whose shards are decided, or whose released shards are applied, as far as the next step of
-- the gate is concerned; locked. LM021 when it is not there yet.
CREATE FUNCTION limits.at_the_gate(p_review bigint) RETURNS limits.reviews
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews;
BEGIN
    SELECT * INTO v_review FROM limits.reviews WHERE review_id = p_review AND kind = 'scheduled' FOR NO KEY UPDATE;
    IF v_review.state IS DISTINCT FROM 'running' OR EXISTS (
           SELECT FROM limits.shards s WHERE s.review_id = p_review
              AND CASE v_review.stage WHEN 'decide' THEN s.stage = 'decide'
                                      ELSE s.shard < v_review.released_shards AND s.state <> 'done' END) THEN
        RAISE EXCEPTION 'review % is %, in stage %, and not at the gate', p_review,
            coalesce(v_review.state, 'unknown'), v_review.stage USING ERRCODE = 'LM021';
    END IF;
    RETURN v_review;
END $$;

-- The review goes on, to the next stage of the canary; how many shards may be applied now.
CREATE FUNCTION limits.pass_gate(p_review bigint, p_actor text, p_figures jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews := limits.at_the_gate(p_review);
BEGIN
    INSERT INTO limits.gate_events (review_id, what, actor, figures)
    VALUES (p_review, CASE v_review.stage WHEN 'decide' THEN 'passed' ELSE 'canary' END, btrim(p_actor), p_figures);
    RETURN limits.release_next(p_review);
END $$;

-- The review stops here until a second person releases or cancels it. Not only at the gate where a shard that
-- is to be applied was decided too long ago.
CREATE FUNCTION limits.hold_review(p_review bigint, p_actor text, p_reason text, p_figures jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM limits.shards s WHERE s.review_id = p_review AND s.stage = 'apply' AND s.state <> 'done'
                  AND limits.too_old(s.decided_at)) THEN
        PERFORM limits.lock_running(p_review);
    ELSE
        PERFORM limits.at_the_gate(p_review);
    END IF;
    UPDATE limits.reviews SET state = 'held', error = p_reason WHERE review_id = p_review;
    INSERT INTO limits.gate_events (review_id, what, actor, reason, figures)
    VALUES (p_review, 'held', btrim(p_actor), p_reason, p_figures);
END $$;

-- What people do with a review ---------------------------------------------------------------

-- Another person on another login than whoever asked for it; of superusers no other login is asked
-- for, see check_second_person. The scheduler asks too, and is nobody of operations.
CREATE FUNCTION limits.check_other_person(p_what text, p_first text, p_first_session text, p_actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF coalesce(limits.person(p_actor), '') = '' THEN
        RAISE EXCEPTION 'somebody with a name has to do this' USING ERRCODE = 'LM011';
    END IF;
    IF limits.person(p_actor) = limits.person(p_first) THEN
        RAISE EXCEPTION '% by %, so somebody else has to decide', p_what, p_first USING ERRCODE = 'LM011';
    END IF;
    IF session_user = p_first_session
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user) THEN
        RAISE EXCEPTION '% on the login %, which may not decide under another name; use another login',
            p_what, p_first_session USING ERRCODE = 'LM011';
    END IF;
END $$;

CREATE FUNCTION limits.lock_review(p_review bigint) RETURNS limits.reviews
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews;
BEGIN
    SELECT * INTO v_review FROM limits.reviews WHERE review_id = p_review AND kind = 'scheduled' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no review % of a schedule', p_review USING ERRCODE = 'LM021';
    END IF;
    RETURN v_review;
END $$;

-- A held review goes on with what was decided. What is older than a day is not let through any more:
-- the users have moved on.
CREATE FUNCTION limits.release_review(p_review bigint, p_actor text, p_reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review  limits.reviews := limits.lock_review(p_review);
    v_oldest  limits.shards;
BEGIN
    IF v_review.state <> 'held' THEN
        RAISE EXCEPTION 'review % is % and not held, so there is nothing to release', p_review, v_review.state
            USING ERRCODE = 'LM021';
    END IF;
    PERFORM limits.check_other_person(format('review %s was asked for', p_review), v_review.actor,
                                      v_review.session_role, p_actor);
    -- Whoever wrote the schedule asked for it too, whichever process owed it.
    PERFORM limits.check_other_person(format('schedule %s was written', s.schedule), NULL, s.session_role, p_actor)
       FROM limits.schedules s WHERE s.schedule = v_review.schedule;
    PERFORM limits.require_approved(v_review.policy_hash);
    SELECT * INTO v_oldest FROM limits.shards s WHERE s.review_id = p_review AND s.state <> 'done'
     ORDER BY s.decided_at NULLS FIRST LIMIT 1;
    IF FOUND AND limits.too_old(v_oldest.decided_at) THEN
        RAISE EXCEPTION '%', limits.too_old_in_words(p_review, v_oldest.decided_at) USING ERRCODE = 'LM021';
    END IF;
    UPDATE limits.reviews SET state = 'running', error = NULL WHERE review_id = p_review;
    PERFORM limits.release_next(p_review);
    INSERT INTO limits.gate_events (review_id, what, actor, reason)
    VALUES (p_review, 'released', btrim(p_actor), p_reason);
END $$;

-- Nothing more of the review is applied once this has returned; what was applied stays in the log. One
-- person is enough to stop what runs; what is held waits for a second one either way. False when it was
-- cancelled before.
CREATE FUNCTION limits.cancel_review(p_review bigint, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews;
BEGIN
    -- Before the row: whoever ends a shard has this lock, then the shard's, then the review's.
    PERFORM 1 FROM limits.turns WHERE turn = 'finish' FOR UPDATE;
    v_review := limits.lock_review(p_review);
    IF v_review.state = 'cancelled' THEN
        RETURN false;
    END IF;
    IF v_review.state = 'done' THEN
        RAISE EXCEPTION 'review % is done and cannot be cancelled any more', p_review USING ERRCODE = 'LM021';
    END IF;
    IF coalesce(limits.person(p_actor), '') = '' THEN
        RAISE EXCEPTION 'somebody with a name has to do this' USING ERRCODE = 'LM011';
    END IF;
    IF v_review.state = 'held' THEN
        PERFORM limits.check_other_person(format('review %s was asked for', p_review), v_review.actor,
                                          v_review.session_role, p_actor);
    END IF;
    -- Whoever decides a shard now has lost it, and keeps nothing.
    UPDATE limits.shards SET state = 'pending', token = token + 1, leased_by = NULL, leased_until = NULL
     WHERE review_id = p_review AND state <> 'done';
    DELETE FROM limits.shard_parts WHERE review_id = p_review;
    DELETE FROM limits.shard_shadows WHERE review_id = p_review;
    DELETE FROM limits.decided_meanwhile WHERE review_id = p_review;
    DELETE FROM limits.shard_raises WHERE review_id = p_review;
    UPDATE limits.reviews
       SET state = 'cancelled', finished_at = clock_timestamp(),
           error = format('cancelled by %s: %s', btrim(p_actor), p_reason)
     WHERE review_id = p_review;
    INSERT INTO limits.gate_events (review_id, what, actor, reason)
    VALUES (p_review, 'cancelled', btrim(p_actor), p_reason);
    RETURN true;
END $$;

-- A failed review is owed again, or runs on where it had been planned. It passes the gate as it would
-- have: what had not been let through is not let through by this. False when it did not fail.
CREATE FUNCTION limits.resume_review(p_review bigint, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews := limits.lock_review(p_review);
BEGIN
    IF v_review.state IN ('owed', 'running') THEN
        RETURN false;   -- somebody was quicker
    END IF;
    IF v_review.state <> 'failed' THEN
        RAISE EXCEPTION 'review % is % and did not fail, so there is nothing to resume', p_review, v_review.state
            USING ERRCODE = 'LM021';
    END IF;
    PERFORM limits.require_approved(v_review.policy_hash);
    UPDATE limits.reviews
       SET state = CASE WHEN users_total IS NULL THEN 'owed' ELSE 'running' END, error = NULL, finished_at = NULL
     WHERE review_id = p_review;
    INSERT INTO limits.gate_events (review_id, what, actor, reason)
    VALUES (p_review, 'resumed', btrim(p_actor), p_reason);
    RETURN true;
END $$;

-- The kill switch ---------------------------------------------------------------------------

-- Engaged: nothing is being applied when this has returned, and nothing will be. Anybody of operations
-- may engage it; another person has to disengage it. False when it was so before.
CREATE FUNCTION limits.set_kill_switch(p_engaged boolean, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_switch limits.kill_switch;
BEGIN
    IF p_engaged IS NULL OR coalesce(limits.person(p_actor), '') = '' THEN
        RAISE EXCEPTION 'the kill switch is turned on or off, by somebody with a name' USING ERRCODE = 'LM011';
    END IF;
    -- The table and not only its row: of a row's lock those who share it could keep this one waiting
    -- for ever, by taking turns. Before a table's lock they queue, and see what is written here.
    LOCK TABLE limits.kill_switch IN EXCLUSIVE MODE;
    SELECT * INTO v_switch FROM limits.kill_switch;
    IF v_switch.engaged = p_engaged THEN
        RETURN false;
    END IF;
    IF NOT p_engaged THEN
        PERFORM limits.check_other_person('the kill switch was engaged', v_switch.actor, v_switch.session_role,
                                          p_actor);
    END IF;
    UPDATE limits.kill_switch
       SET engaged = p_engaged, actor = btrim(p_actor), reason = p_reason, session_role = session_user,
           changed_at = clock_timestamp();
    INSERT INTO limits.kill_switch_events (engaged, actor, reason) VALUES (p_engaged, btrim(p_actor), p_reason);
    RETURN true;
END $$;

-- The portfolio's budget -----------------------------------------------------------------------

-- The raises that a shard decided, where the policy has a budget: users in order, raise, value and
-- expected loss, four arrays one after another of 8 bytes each, little-endian. granted: what the gate
-- left of each raise.
CREATE TABLE limits.shard_raises (
    review_id bigint NOT NULL,
    shard     integer NOT NULL,
    users     integer NOT NULL CHECK (users > 0),
    body      bytea NOT NULL CHECK (length(body) = 32 * users),
    granted   bytea CHECK (length(granted) = 8 * users),
    PRIMARY KEY (review_id, shard),
    FOREIGN KEY (review_id, shard) REFERENCES limits.shards
);
ALTER TABLE limits.shard_raises ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN granted SET STORAGE EXTERNAL;

-- What the raises of a review were allowed to add, and the price at which that was used up.
CREATE TABLE limits.review_budgets (
    review_id      bigint PRIMARY KEY REFERENCES limits.reviews,
    exposure_minor bigint CHECK (exposure_minor >= 0),   -- NULL: no bound
    loss_minor     bigint CHECK (loss_minor >= 0),
    wished_minor   bigint NOT NULL,                      -- the raises as they were decided
    granted_minor  bigint NOT NULL,
    users          bigint NOT NULL,                      -- to be raised
    users_cut      bigint NOT NULL,                      -- of these: by less than was decided, or not at all
    price          float8 NOT NULL,
    mix            float8 NOT NULL CHECK (mix BETWEEN 0 AND 1),
    CHECK (granted_minor <= wished_minor AND (granted_minor <= exposure_minor) IS NOT FALSE)
);

-- Who may -----------------------------------------------------------------------------------

REVOKE EXECUTE ON FUNCTION limits.refuse_rewriting, limits.guard_review, limits.unguarded, limits.is_over,
    limits.next_release, limits.release_next, limits.lock_running, limits.at_the_gate, limits.pass_gate,
    limits.hold_review, limits.check_other_person, limits.lock_review,
    limits.release_review, limits.cancel_review, limits.resume_review, limits.set_kill_switch FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.pass_gate, limits.hold_review, limits.is_over TO limits_worker;
-- person: constraints call it with the rights of whoever writes.
GRANT EXECUTE ON FUNCTION limits.unguarded, limits.person TO limits_worker, limits_operations;
GRANT EXECUTE ON FUNCTION limits.release_review, limits.cancel_review, limits.resume_review, limits.set_kill_switch
    TO limits_operations;
GRANT SELECT ON limits.gate_events, limits.kill_switch_events TO limits_worker, limits_operations, limits_auditor;
GRANT SELECT ON limits.shard_raises, limits.review_budgets TO limits_worker, limits_operations;
GRANT INSERT ON limits.shard_raises, limits.review_budgets TO limits_worker;
GRANT UPDATE (granted) ON limits.shard_raises TO limits_worker;
GRANT SELECT ON limits.review_budgets TO limits_auditor;

RESET ROLE;
