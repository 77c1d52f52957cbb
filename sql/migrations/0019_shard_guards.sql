-- depends: 0018_gate
-- What a worker may do with a shard, and with what was decided of it: what stands there when the gate has looked is
-- what is applied. And what a review of one user is, the only one that people begin.
--
-- Errors: LM002, what is written belongs to a lease that nobody holds; LM021, a shard cannot be moved so.

SET LOCAL ROLE limits_owner;

ALTER TABLE limits.shards ADD CONSTRAINT shards_from_zero CHECK (shard >= 0);

-- Shards ------------------------------------------------------------------------------------

-- A shard is leased, decided once, leased again and done, and given back where somebody stops. When it was decided,
-- and by whom, is for the database to say.
CREATE FUNCTION limits.guard_shard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_way text;
BEGIN
    IF limits.unguarded() THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF (NEW.state, NEW.stage, NEW.token, NEW.tally, NEW.users_raised, NEW.users_held, NEW.users_lowered)
           <> ('pending', 'decide', 0, '{}', 0, 0, 0) OR NEW.decided_at IS NOT NULL
           OR NOT EXISTS (SELECT FROM limits.reviews r WHERE r.review_id = NEW.review_id AND r.state = 'owed') THEN
            RAISE EXCEPTION 'shards are planned while their review is owed, and begin undecided'
                USING ERRCODE = 'LM021';
        END IF;
        RETURN NEW;
    END IF;
    v_way := format('%s %s>%s %s', OLD.stage, OLD.state, NEW.stage, NEW.state);
    IF v_way = 'decide leased>apply pending' AND NEW.token = OLD.token THEN
        NEW.decided_at := clock_timestamp();
        NEW.decided_by := OLD.leased_by;
        RETURN NEW;
    END IF;
    IF NEW.state = 'leased' AND (NEW.leased_until > clock_timestamp() + interval '1 day' OR NOT EXISTS (
           SELECT FROM limits.reviews r WHERE r.review_id = NEW.review_id AND r.state = 'running' AND r.stage = NEW.stage))
       OR (NEW.snapshot_digest, NEW.tally, NEW.decided_at, NEW.decided_by)
       IS DISTINCT FROM (OLD.snapshot_digest, OLD.tally, OLD.decided_at, OLD.decided_by)
       OR (NOT CASE WHEN v_way IN ('decide pending>decide leased', 'apply pending>apply leased') THEN
                        NEW.token = OLD.token + 1
                   -- Taken over when it has run out, or prolonged.
                   WHEN v_way IN ('decide leased>decide leased', 'apply leased>apply leased') THEN
                        NEW.token = OLD.token + 1 AND OLD.leased_until <= clock_timestamp()
                        OR NEW.token = OLD.token AND NEW.leased_by IS NOT DISTINCT FROM OLD.leased_by
                   WHEN v_way IN ('decide leased>decide pending', 'apply leased>apply pending') THEN
                        NEW.token = OLD.token
                   WHEN v_way = 'apply leased>apply done' THEN
                        NEW.token = OLD.token AND limits.is_applied(OLD)
                   ELSE false END) THEN
        RAISE EXCEPTION 'shard % of review % is %, in stage %, and cannot become %, in stage %', OLD.shard,
            OLD.review_id, OLD.state, OLD.stage, NEW.state, NEW.stage USING ERRCODE = 'LM021';
    END IF;
    RETURN NEW;
END $$;

-- Whether every user of a shard has a decision or an exception, and nothing decided is left.
CREATE FUNCTION limits.is_applied(s limits.shards) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT s.users_total = s.users_raised + s.users_held + s.users_lowered
                         + (SELECT count(*) FROM limits.review_exceptions x
                             WHERE x.review_id = s.review_id AND x.user_id BETWEEN s.user_from AND s.user_to
                               AND x.user_id = ANY (s.user_ids))
       AND NOT EXISTS (SELECT FROM limits.shard_parts p WHERE p.review_id = s.review_id AND p.shard = s.shard)
$$;

CREATE TRIGGER guard_shard BEFORE INSERT OR UPDATE ON limits.shards
    FOR EACH ROW EXECUTE FUNCTION limits.guard_shard();
ALTER TABLE limits.shards ENABLE ALWAYS TRIGGER guard_shard;

-- What was decided of a shard is written by whoever decides it, and taken by whoever applies it once it was let
-- through: never exchanged in between.
CREATE FUNCTION limits.guard_decided() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review limits.reviews;
    v_shard  limits.shards;
BEGIN
    IF limits.unguarded() THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    SELECT * INTO v_review FROM limits.reviews r
     WHERE r.review_id = CASE TG_OP WHEN 'DELETE' THEN OLD.review_id ELSE NEW.review_id END;
    IF TG_OP = 'UPDATE' THEN   -- of raises alone: what the budget leaves of them, once
        IF v_review.state <> 'running' OR v_review.stage <> 'decide' OR OLD.granted IS NOT NULL THEN
            RAISE EXCEPTION 'the budget of review % is allotted', OLD.review_id USING ERRCODE = 'LM021';
        END IF;
        RETURN NEW;
    END IF;
    -- For share: nothing is written that is seen only once the shard has gone on.
    SELECT * INTO v_shard FROM limits.shards s
     WHERE s.review_id = v_review.review_id AND s.shard = CASE TG_OP WHEN 'DELETE' THEN OLD.shard ELSE NEW.shard END
       FOR SHARE;
    IF v_review.state <> 'running' OR v_shard.state IS DISTINCT FROM 'leased'
       OR v_shard.leased_until < clock_timestamp() OR v_shard.stage <> v_review.stage
       OR v_shard.stage <> (CASE TG_OP WHEN 'INSERT' THEN 'decide' ELSE 'apply' END)
       OR TG_OP = 'DELETE' AND v_shard.shard >= v_review.released_shards THEN
        RAISE EXCEPTION 'review % is %, in stage %, shard % %, in stage %: what was decided stays as it is',
            v_review.review_id, v_review.state, v_review.stage, v_shard.shard, v_shard.state, v_shard.stage
            USING ERRCODE = 'LM002';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER guard_decided BEFORE INSERT OR UPDATE OR DELETE ON limits.shard_parts
    FOR EACH ROW EXECUTE FUNCTION limits.guard_decided();
CREATE TRIGGER guard_decided BEFORE INSERT OR UPDATE OR DELETE ON limits.shard_shadows
    FOR EACH ROW EXECUTE FUNCTION limits.guard_decided();
CREATE TRIGGER guard_decided BEFORE INSERT OR UPDATE OR DELETE ON limits.shard_raises
    FOR EACH ROW EXECUTE FUNCTION limits.guard_decided();
ALTER TABLE limits.shard_parts ENABLE ALWAYS TRIGGER guard_decided;
ALTER TABLE limits.shard_shadows ENABLE ALWAYS TRIGGER guard_decided;
ALTER TABLE limits.shard_raises ENABLE ALWAYS TRIGGER guard_decided;

-- Reviews of one user -----------------------------------------------------------------------

-- The review of one user and its shard, leased at once; NULL where the key was used before. It is decided, applied
-- and over in the transaction that began it, or it never was.
CREATE FUNCTION limits.begin_recompute(p_user bigint, p_as_of date, p_policy_hash bytea, p_actor text, p_reason text,
                                       p_key text, p_request bigint, p_change bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review bigint;
BEGIN
    -- A second caller with the same key waits for the first to commit and then gets no row.
    INSERT INTO limits.reviews (kind, business_date, state, policy_hash, actor, reason, idempotency_key, users_total,
                                started_at, request_id, change_id, stage, released_shards)
    VALUES ('recompute', p_as_of, 'running', p_policy_hash, p_actor, p_reason, p_key, 1,
            clock_timestamp(), p_request, p_change, 'apply', 1)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING review_id INTO v_review;
    INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total,
                               state, stage, token, attempts, leased_by, leased_at, leased_until)
    SELECT v_review, 0, p_user, p_user, ARRAY[p_user], 1,
           'leased', 'apply', 1, 1, p_actor, clock_timestamp(), clock_timestamp() + interval '1 hour'
     WHERE v_review IS NOT NULL;
    RETURN v_review;
END $$;

-- Its one decision is applied: it is over.
CREATE FUNCTION limits.end_recompute(p_review bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    UPDATE limits.shards SET state = 'done', finished_at = clock_timestamp(), leased_until = NULL
     WHERE review_id = p_review AND shard = 0;
    UPDATE limits.reviews r
       SET state = 'done', finished_at = clock_timestamp(), users_raised = s.users_raised, users_held = s.users_held,
           users_lowered = s.users_lowered, users_quarantined = 0, users_skipped = 0,
           exposure_before_minor = s.exposure_before_minor, exposure_after_minor = s.exposure_after_minor
      FROM limits.shards s
     WHERE r.review_id = p_review AND s.review_id = p_review AND s.shard = 0
$$;

-- Whose session it is, and not who is current: which role a deferred trigger runs as differs between servers.
CREATE FUNCTION limits.check_recompute_over() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF (SELECT r.state <> 'done' FROM limits.reviews r WHERE r.review_id = NEW.review_id)
       AND NOT (SELECT p.rolsuper FROM pg_roles p WHERE p.rolname = session_user) THEN
        RAISE EXCEPTION 'review % of one user was begun and not decided in one transaction', NEW.review_id
            USING ERRCODE = 'LM003';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER recompute_over AFTER INSERT ON limits.reviews DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'recompute') EXECUTE FUNCTION limits.check_recompute_over();
ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER recompute_over;

-- What a review of one user carries out or answers: refused where the decision does not do that.
CREATE FUNCTION limits.check_answer(d limits.decision_row, p_review limits.reviews, p_users bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_request limits.limit_requests;
    v_change  limits.pending_changes;
    v_day     date := p_review.business_date;
BEGIN
    -- NO KEY: whoever races has made a review that refers to the same row, and would wait for this
    -- one while this one waited for the other.
    IF p_review.change_id IS NOT NULL THEN
        SELECT * INTO v_change FROM limits.pending_changes WHERE change_id = p_review.change_id FOR NO KEY UPDATE;
        -- A worker speaks for no user: an offer is accepted by whoever talks to the user.
        IF v_change.state <> 'open' OR p_users <> ARRAY[v_change.user_id]
           OR v_change.kind = 'offer' AND NOT pg_has_role(session_user, 'limits_operations', 'MEMBER')
           OR v_change.kind = 'offer' AND v_day NOT BETWEEN v_change.as_of AND v_change.effective_on
           OR v_change.kind = 'announced' AND v_day < v_change.effective_on THEN
            RAISE EXCEPTION 'change % is % and cannot be carried out as of %: nothing applied',
                v_change.change_id, v_change.state, v_day USING ERRCODE = 'LM005';
        END IF;
        IF v_change.proposed_minor > v_change.limit_minor AND d.limit_after_minor > v_change.proposed_minor
           AND d.limit_after_minor > d.limit_before_minor THEN
            RAISE EXCEPTION 'review % raises above what change % offered: nothing applied',
                p_review.review_id, v_change.change_id USING ERRCODE = 'LM003';
        END IF;
        -- Who was told of a change hears of its end: by a notice of what became of it, or where nothing
        -- did, that it is off. Only who took back the consent to a raise knows that without.
        IF (NOT CASE WHEN v_change.kind = 'offer' THEN d.notice <> 6
                    WHEN d.disposition <> 0 OR d.limit_after_minor <> d.limit_before_minor THEN d.notice <> 0
                    WHEN d.notice = 6 THEN true
                    ELSE d.notice = 0 AND v_change.proposed_minor > v_change.limit_minor
                     AND coalesce(limits.raises_withdrawn(d.user_id, v_day), false) END) THEN
            RAISE EXCEPTION 'review % does not tell what became of change %: nothing applied',
                p_review.review_id, v_change.change_id USING ERRCODE = 'LM003';
        END IF;
    END IF;
    IF p_review.request_id IS NOT NULL THEN
        SELECT * INTO v_request FROM limits.limit_requests WHERE request_id = p_review.request_id FOR NO KEY UPDATE;
        IF v_request.review_id IS NOT NULL OR p_users <> ARRAY[v_request.user_id] OR v_request.asked_on <> v_day THEN
            RAISE EXCEPTION 'request % is not for review % to answer: nothing applied',
                v_request.request_id, p_review.review_id USING ERRCODE = 'LM005';
        END IF;
        IF d.proposed_minor > d.limit_before_minor   -- who asks is raised at once
           OR d.limit_after_minor > greatest(v_request.amount_minor, d.limit_before_minor)
           -- and told, where it is not what was asked for
           OR d.limit_after_minor < v_request.amount_minor AND d.notice NOT IN (2, 4, 5) THEN
            RAISE EXCEPTION 'review % does not answer request %: nothing applied',
                p_review.review_id, v_request.request_id USING ERRCODE = 'LM003';
        END IF;
    END IF;
END $$;

-- The change and the request that a review of one user is about, by what was decided.
CREATE FUNCTION limits.end_answered(d limits.decision_row, p_review limits.reviews) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    UPDATE limits.pending_changes p
       SET state = CASE WHEN made.same_way THEN 'applied' ELSE 'suppressed' END,
           applied_review_id = CASE WHEN made.same_way THEN p_review.review_id END,
           ended_at = clock_timestamp(), ended_by = p_review.actor, ended_reason = p_review.reason
      FROM (SELECT c.change_id, sign(d.limit_after_minor - d.limit_before_minor)
                                = sign(c.proposed_minor - c.limit_minor) AS same_way
              FROM limits.pending_changes c WHERE c.change_id = p_review.change_id) made
     WHERE p.change_id = made.change_id AND p.user_id = d.user_id;
    UPDATE limits.limit_requests q
       SET review_id = p_review.review_id,
           answer = CASE WHEN d.limit_after_minor >= q.amount_minor THEN 'granted'
                         WHEN d.limit_after_minor > d.limit_before_minor THEN 'partly_granted' ELSE 'refused' END
     WHERE q.request_id = p_review.request_id AND q.user_id = d.user_id;
END $$;

-- Who may -------------------------------------------------------------------------------

REVOKE EXECUTE ON FUNCTION limits.guard_shard, limits.is_applied, limits.guard_decided, limits.begin_recompute,
    limits.end_recompute, limits.check_recompute_over, limits.check_answer, limits.end_answered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.is_applied TO limits_worker;
GRANT EXECUTE ON FUNCTION limits.begin_recompute TO limits_worker, limits_operations;

RESET ROLE;
