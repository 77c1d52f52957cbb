-- depends: 0038_apply_mends
-- Who is decided again while a review is applied is decided after the gate has looked. What that moves is added up here,
-- so that the breakers look once more before any of it is applied (limits.engine.renewing).

SET LOCAL ROLE limits_owner;

-- A moment before the users were read whose decisions are to be applied next: what came in since is news to those. It was
-- decided_at, which is after they were read, and stayed so when they were decided again.
ALTER TABLE limits.shards ADD COLUMN known_at timestamptz;
CREATE OR REPLACE VIEW limits_read.shards AS SELECT * FROM limits.shards;

-- When a row came in and not when its import began: that reads the whole file first, while a review may read the users.
ALTER TABLE limits.user_profiles ALTER COLUMN ingested_at SET DEFAULT clock_timestamp();
ALTER TABLE limits.frauds ALTER COLUMN ingested_at SET DEFAULT clock_timestamp();

-- As in 0019, and that a shard was read after it was leased.
CREATE OR REPLACE FUNCTION limits.guard_shard() RETURNS trigger
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
        NEW.known_at := OLD.leased_at;
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

-- Some users of a leased shard are about to be decided again: what was decided about them meanwhile counts no longer, and
-- what comes in from now on is news to that decision.
CREATE FUNCTION limits.begin_again(p_review bigint, p_shard integer, p_token bigint, p_users bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    UPDATE limits.shards s SET known_at = clock_timestamp()
      FROM limits.reviews r
     WHERE s.review_id = p_review AND s.shard = p_shard AND s.state = 'leased' AND s.stage = 'apply'
       AND s.token = p_token AND s.leased_until > clock_timestamp()
       AND r.review_id = s.review_id AND r.kind = 'scheduled'
       AND NOT EXISTS (SELECT FROM limits.shard_parts p WHERE p.review_id = p_review AND p.shard = p_shard);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lease % on shard % of review % is no longer held: nobody is decided again', p_token, p_shard,
            p_review USING ERRCODE = 'LM002';
    END IF;
    DELETE FROM limits.decided_meanwhile WHERE review_id = p_review AND user_id = ANY (p_users);
END $$;

-- By what the decisions of a review differ from those that the gate let through: sums as in shards.tally. Written by
-- shift_review only.
CREATE TABLE limits.review_shifts (
    review_id bigint PRIMARY KEY REFERENCES limits.reviews,
    -- Else one who holds a lease would stop all others, who add to it and read it.
    shifted   jsonb NOT NULL CHECK (NOT jsonb_path_exists(shifted, '$.* ? (@.type() != "number" || @.abs() > 1e30)'))
);

-- Tallies added up, key by key; of what is the greatest of something the greatest.
CREATE FUNCTION limits.added_up(p_tallies jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(t.key, t.value), '{}')
      FROM (SELECT e.key, CASE WHEN starts_with(e.key, 'greatest') THEN max(e.value::numeric)
                               ELSE sum(e.value::numeric) END AS value
              FROM unnest(p_tallies) one CROSS JOIN LATERAL jsonb_each_text(one) e
             GROUP BY e.key) t
$$;

-- Adds to a review's shift inside the transaction of whoever applies a shard of it. Until that ends nobody else adds to
-- it, so that of two who apply at once the second sees the first. let_through: the figures that the breakers saw at the
-- gate. waved: somebody has released the review after it was held for what was decided again.
CREATE FUNCTION limits.shift_review(p_review bigint, p_shard integer, p_token bigint, p_by jsonb)
RETURNS TABLE (shifted jsonb, let_through jsonb, waved boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_shifted jsonb;
BEGIN
    PERFORM 1 FROM limits.shards s JOIN limits.reviews r ON r.review_id = s.review_id AND r.kind = 'scheduled'
      WHERE s.review_id = p_review AND s.shard = p_shard AND s.state = 'leased' AND s.stage = 'apply'
        AND s.token = p_token AND s.leased_until > clock_timestamp()
        FOR UPDATE OF s;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lease % on shard % of review % is no longer held: nothing applied', p_token, p_shard, p_review
            USING ERRCODE = 'LM002';
    END IF;
    INSERT INTO limits.review_shifts AS w (review_id, shifted) VALUES (p_review, limits.added_up(ARRAY[p_by]))
    ON CONFLICT (review_id) DO UPDATE SET shifted = limits.added_up(ARRAY[w.shifted, excluded.shifted])
    RETURNING w.shifted INTO v_shifted;
    RETURN QUERY
        SELECT v_shifted,
               (SELECT g.figures FROM limits.gate_events g
                 WHERE g.review_id = p_review AND g.what IN ('passed', 'held') AND g.figures ? 'exposure_before'
                 ORDER BY g.event_id LIMIT 1),
               EXISTS (SELECT FROM limits.gate_events h JOIN limits.gate_events g ON g.review_id = h.review_id
                        WHERE h.review_id = p_review AND h.what = 'held' AND h.figures ?& ARRAY['exposure_before', 'renewed']
                          AND g.what = 'released' AND g.event_id > h.event_id);
END $$;

-- As in 0018, and at any moment of applying: what is decided again is decided then.
CREATE OR REPLACE FUNCTION limits.hold_review(p_review bigint, p_actor text, p_reason text, p_figures jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM limits.reviews r WHERE r.review_id = p_review AND r.stage = 'apply') THEN
        PERFORM limits.lock_running(p_review);
    ELSE
        PERFORM limits.at_the_gate(p_review);
    END IF;
    UPDATE limits.reviews SET state = 'held', error = p_reason WHERE review_id = p_review;
    INSERT INTO limits.gate_events (review_id, what, actor, reason, figures)
    VALUES (p_review, 'held', btrim(p_actor), p_reason, p_figures);
END $$;

-- As in 0018, and the next stage of the canary begins only where this one is applied and was compared.
CREATE OR REPLACE FUNCTION limits.release_review(p_review bigint, p_actor text, p_reason text) RETURNS void
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
    IF NOT EXISTS (SELECT FROM limits.shards s WHERE s.review_id = p_review AND s.shard < v_review.released_shards
                      AND s.state <> 'done') THEN
        PERFORM limits.release_next(p_review);
    END IF;
    INSERT INTO limits.gate_events (review_id, what, actor, reason)
    VALUES (p_review, 'released', btrim(p_actor), p_reason);
END $$;

-- As in 0038, but that news of a user are what came in since the decision that is applied: who was decided again knows what
-- had come in by then. Asked since the shard was decided, a raise decided again never went through, nor did the review end.
CREATE OR REPLACE FUNCTION limits.apply_decisions(p_review bigint, p_shard integer, p_token bigint, p_code_version text,
                                       p_currency char(3), p_input_digest bytea, p_model bytea,
                                       p_root bytea, p_rows limits.decision_row[])
RETURNS TABLE (stale_user_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review   limits.reviews;
    v_users    bigint[];
    v_moving   bigint[];
    v_overtaken bigint[];
    v_news     bigint[] := '{}';
    v_stale    bigint[];
    v_found    record;
    v_first    bigint;
    v_last     bigint;
    v_day      date;
    v_decided  timestamptz;
    v_known    timestamptz;
    v_snapshot bytea;
    v_batch    bigint;
    v_applied  timestamptz;
    v_record   text;
BEGIN
    -- An array may begin anywhere and have several dimensions; here the first row is the first row.
    IF array_ndims(p_rows) IS DISTINCT FROM 1 OR array_lower(p_rows, 1) <> 1 THEN
        RAISE EXCEPTION 'decisions come as one row of an array that counts from 1: nothing applied'
            USING ERRCODE = 'LM003';
    END IF;
    -- Each statement below has to see what was committed while the one before it waited for a lock: a transaction with
    -- one snapshot would apply on a consent or an override of before it began.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'decisions are applied in a transaction that is read committed, and this one is %: nothing applied',
            current_setting('transaction_isolation') USING ERRCODE = 'LM003';
    END IF;
    -- What of the record is the caller's to say. Nobody could sign a record with other words than these.
    IF length(p_model) IS DISTINCT FROM 32
       OR (length(p_code_version) BETWEEN 1 AND 200 AND p_code_version !~ '[[:cntrl:]]') IS NOT TRUE THEN
        RAISE EXCEPTION 'the digest of the model or the version of the code cannot be one: nothing applied'
            USING ERRCODE = 'LM003';
    END IF;
    IF (SELECT k.engaged FROM limits.kill_switch k FOR SHARE) THEN
        RAISE EXCEPTION 'the kill switch is engaged: nothing applied' USING ERRCODE = 'LM006';
    END IF;
    SELECT * INTO v_review FROM limits.reviews WHERE review_id = p_review FOR SHARE;
    IF v_review.state IS DISTINCT FROM 'running' OR v_review.stage <> 'apply' OR p_shard >= v_review.released_shards THEN
        RAISE EXCEPTION 'review % is %, in stage %, shard % %: nothing applied', p_review,
            coalesce(v_review.state, 'unknown'), v_review.stage, p_shard,
            CASE WHEN p_shard < v_review.released_shards THEN 'released' ELSE 'not released' END
            USING ERRCODE = 'LM001';
    END IF;
    -- Operations may call this for the review of one user. The token of a shard is no secret, so it is no proof.
    IF v_review.kind = 'scheduled' AND NOT pg_has_role(session_user, 'limits_worker', 'MEMBER') THEN
        RAISE EXCEPTION 'review % is of a schedule, and % is no worker: nothing applied', p_review, session_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_day := v_review.business_date;
    SELECT s.user_ids, s.decided_at, coalesce(s.known_at, s.decided_at), s.snapshot_digest
      INTO v_users, v_decided, v_known, v_snapshot FROM limits.shards s
     WHERE s.review_id = p_review AND s.shard = p_shard AND s.state = 'leased' AND s.stage = 'apply'
       AND s.token = p_token AND s.leased_until > clock_timestamp()
       FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lease % on shard % of review % is no longer held: nothing applied', p_token, p_shard, p_review
            USING ERRCODE = 'LM002';
    END IF;
    IF v_review.kind = 'scheduled' AND limits.too_old(v_decided) THEN   -- a recompute is decided and applied in one
        RAISE EXCEPTION '%', limits.too_old_in_words(p_review, v_decided) USING ERRCODE = 'LM022';
    END IF;
    IF v_review.kind = 'recompute' AND (cardinality(v_users) <> 1 OR cardinality(p_rows) <> 1) THEN
        RAISE EXCEPTION 'review % is about one user: nothing applied', p_review USING ERRCODE = 'LM003';
    END IF;
    IF NOT EXISTS (SELECT FROM limits.snapshot_uses u
                    WHERE u.review_id = p_review AND u.shard = p_shard AND u.digest = p_input_digest) THEN
        RAISE EXCEPTION 'what shard % of review % was decided from is not kept: nothing applied', p_shard, p_review
            USING ERRCODE = 'LM003';
    END IF;
    PERFORM limits.require_approved(v_review.policy_hash);

    -- Whoever gets no more than a line in the log need not be locked: that the limit stays is true of
    -- the version that was read, whatever another transaction makes of it at the same time.
    -- Bounds, because the planner would read all lines for a long list without them.
    SELECT min(d.user_id), max(d.user_id) INTO v_first, v_last FROM unnest(p_rows) d;
    v_moving := ARRAY(SELECT d.user_id FROM unnest(p_rows) d
                       WHERE d.limit_after_minor <> d.limit_before_minor OR d.disposition <> 0 OR d.notice <> 0);
    PERFORM 1 FROM limits.credit_lines c
      WHERE c.user_id = ANY (v_moving) AND c.user_id BETWEEN v_first AND v_last ORDER BY c.user_id FOR UPDATE;
    IF v_review.kind = 'recompute' THEN
        PERFORM 1 FROM limits.credit_lines c WHERE c.user_id = ANY (v_users) ORDER BY c.user_id FOR UPDATE;
        PERFORM limits.check_answer(p_rows[1], v_review, v_users);
    END IF;

    v_overtaken := ARRAY(SELECT m.user_id FROM limits.decided_meanwhile m WHERE m.review_id = p_review);
    -- A fraud, or another state of the user, that came in after the decision: no raise on what was known before.
    IF v_known IS NOT NULL THEN
        v_news := ARRAY(SELECT f.user_id FROM limits.frauds f
                         WHERE f.ingested_at > v_known AND f.user_id BETWEEN v_first AND v_last
                        UNION SELECT u.user_id FROM limits.user_profiles u
                         WHERE u.ingested_at > v_known AND u.user_id BETWEEN v_first AND v_last);
    END IF;

    -- In one pass. sound: the row adds up, its user is on the plan, was not put aside and not changed as of a later day.
    -- (A user who comes twice breaks the log's key.)
    -- stale: what the decision cannot have known of: a limit that moved on, a decision made meanwhile, a
    -- raise or a new change while another one waits, a raise that nobody asked for of a user who has
    -- taken back the consent, a raise above an override. Whoever writes one of these down locks the line
    -- too, so that each of the two sees the other. And a raise of a user of whom there is news: an import locks
    -- no line, so what it commits just now is for the next review to see. (What concerns few is gathered for the whole range of
    -- users at once: a look for each raise costs more than all the rest, and so does a call of raises_withdrawn.)
    SELECT count(*) AS given, sum(d.limit_after_minor - d.limit_before_minor) AS delta,
           count(*) FILTER (WHERE p.user_id IS NOT NULL
                              AND limits.adds_up(d, v_day, v_review.change_id IS NOT NULL)
                              AND d.user_id NOT IN (SELECT x.user_id FROM limits.review_exceptions x
                                                     WHERE x.review_id = p_review AND x.user_id BETWEEN v_first AND v_last)
                              AND (d.risk_points IS NULL OR v_review.risk_model IS NOT NULL)
                              AND (greatest(c.last_raise_on, c.last_cut_on) > v_day) IS NOT TRUE) AS sound,
           array_agg(d.user_id ORDER BY d.user_id) FILTER (
               WHERE (c.version = d.version_before AND c.limit_minor = d.limit_before_minor
                      AND c.currency = p_currency) IS NOT TRUE
                  OR d.user_id = ANY (v_overtaken)
                  OR (d.disposition <> 0 OR d.limit_after_minor > d.limit_before_minor)
                     AND (d.user_id IN (SELECT w.user_id FROM limits.pending_changes w
                                         WHERE w.user_id BETWEEN v_first AND v_last AND w.state = 'open'
                                           AND w.change_id IS DISTINCT FROM v_review.change_id)
                       OR coalesce(d.proposed_minor, d.limit_after_minor) > d.limit_before_minor
                          AND (d.user_id = ANY (v_news)
                            OR v_review.request_id IS NULL AND v_review.change_id IS NULL
                               AND d.user_id IN (SELECT said.user_id
                                                   FROM (SELECT DISTINCT ON (w.user_id) w.user_id, w.state
                                                           FROM limits.consents w
                                                          WHERE w.user_id BETWEEN v_first AND v_last
                                                            AND w.subject = 'raises' AND w.effective_on <= v_day
                                                          ORDER BY w.user_id, w.effective_on DESC, w.ingested_at DESC,
                                                                   w.state = 'withdrawn' DESC) said
                                                  WHERE said.state = 'withdrawn')
                            OR d.user_id IN (SELECT o.user_id FROM limits.overrides o
                                              WHERE o.user_id BETWEEN v_first AND v_last AND o.state = 'approved')
                               AND EXISTS (SELECT FROM limits.overrides o
                                            WHERE o.user_id = d.user_id AND o.state = 'approved' AND o.kind <> 'floor'
                                              AND o.starts_on <= v_day AND o.expires_on > v_day
                                              AND coalesce(d.proposed_minor, d.limit_after_minor)
                                                  > coalesce(o.amount_minor, d.limit_before_minor))))) AS stale
      INTO v_found
      FROM unnest(p_rows) d
      LEFT JOIN unnest(v_users) p(user_id) ON p.user_id = d.user_id
      LEFT JOIN limits.credit_lines c ON c.user_id = d.user_id AND c.user_id BETWEEN v_first AND v_last;
    IF v_day > (clock_timestamp() AT TIME ZONE 'UTC')::date OR v_found.sound <> v_found.given THEN
        RAISE EXCEPTION 'a decision of review % contradicts itself, its plan or the calendar: nothing applied', p_review
            USING ERRCODE = 'LM003';
    END IF;
    v_stale := coalesce(v_found.stale, '{}');
    IF v_stale <> '{}' THEN
        RETURN QUERY SELECT unnest(v_stale);
        RETURN;
    END IF;

    -- What this review carries out or answers, by what it decided. Before a new change may open.
    IF v_review.kind = 'recompute' THEN
        IF p_rows[1].entry IS DISTINCT FROM limits.entry_bytes(p_rows[1], 0) THEN
            RAISE EXCEPTION 'the entry of user % is not what was decided: nothing applied', p_rows[1].user_id
                USING ERRCODE = 'LM003';
        END IF;
        -- A tree of one leaf: the leaf.
        IF p_root IS DISTINCT FROM sha256('\x00'::bytea || p_rows[1].entry) THEN
            RAISE EXCEPTION 'the root is not that of the entry of user %: nothing applied', p_rows[1].user_id
                USING ERRCODE = 'LM003';
        END IF;
        PERFORM limits.end_answered(p_rows[1], v_review);
    END IF;

    -- The batch's record, and with it its place in the lane of the shard, which the lease keeps to one writer.
    v_batch := nextval('limits.batches_batch_id_seq');
    v_applied := clock_timestamp();
    v_record := limits.batch_record(
        v_batch, v_review, p_shard, p_token, p_currency, p_input_digest, p_model, p_code_version,
        CASE WHEN v_snapshot = p_input_digest THEN v_decided ELSE now() END, v_applied, v_found.given,
        v_found.delta::bigint, p_root,
        (SELECT b.digest FROM limits.batches b WHERE b.review_id = p_review AND b.shard = p_shard
          ORDER BY b.batch_id DESC LIMIT 1));
    INSERT INTO limits.batches (batch_id, review_id, shard, token, users, delta_minor, root, applied_at, record,
                                digest)
    OVERRIDING SYSTEM VALUE
    VALUES (v_batch, p_review, p_shard, p_token, v_found.given, v_found.delta, p_root, v_applied, v_record,
            sha256('\x00'::bytea || convert_to(v_record, 'UTF8')));

    WITH logged AS (
        INSERT INTO limits.adjustment_log AS l (
            review_id, shard, user_id, as_of, currency, limit_before_minor, limit_after_minor,
            version_before, version_after, action, binding, reason_bits, ceilings_minor,
            lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor, capacity_p90_minor,
            capacity_method, months_observed, policy_hash, input_digest, code_version, actor,
            disposition, proposed_minor, consent, risk_points, risk_probability_ppm, decided_at, batch_id, sequence,
            entry)
        SELECT p_review, p_shard, d.user_id, v_day, p_currency, d.limit_before_minor, d.limit_after_minor,
               d.version_before, d.version_before + (d.limit_after_minor <> d.limit_before_minor)::int,
               CASE WHEN d.limit_after_minor > d.limit_before_minor THEN 1
                    WHEN d.limit_after_minor < d.limit_before_minor THEN -1 ELSE 0 END,
               d.binding, d.reason_bits, d.ceilings_minor, d.lowest_ceiling_minor, d.floor_minor,
               d.capacity_p10_minor, d.capacity_p50_minor, d.capacity_p90_minor, d.capacity_method,
               d.months_observed, v_review.policy_hash, p_input_digest, p_code_version, v_review.actor,
               d.disposition, d.proposed_minor, d.consent, d.risk_points, d.risk_probability_ppm, v_applied, v_batch,
               d.place - 1, d.entry
          FROM unnest(p_rows) WITH ORDINALITY AS d(
              user_id, limit_before_minor, limit_after_minor, version_before, binding, reason_bits, ceilings_minor,
              lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor, capacity_p90_minor,
              capacity_method, months_observed, disposition, proposed_minor, effective_on, notice, notice_due_on,
              consent, risk_points, risk_probability_ppm, entry, place)
        RETURNING l.entry_id, l.user_id, l.as_of, l.action, l.currency, l.limit_before_minor, l.limit_after_minor,
                  l.version_after
    ), told AS (
        SELECT l.*, d.disposition, d.proposed_minor, d.effective_on, d.notice, d.notice_due_on
          FROM unnest(p_rows) d JOIN logged l ON l.user_id = d.user_id
         WHERE d.disposition <> 0 OR d.notice <> 0
    ), waiting AS (
        INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                            proposed_minor, effective_on)
        SELECT entry_id, p_review, user_id, CASE disposition WHEN 1 THEN 'offer' ELSE 'announced' END, as_of, currency,
               limit_before_minor, proposed_minor, effective_on
          FROM told WHERE disposition <> 0
    ), noticed AS (
        INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on)
        SELECT entry_id, p_review, user_id, (ARRAY['raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn'])[notice], as_of, notice_due_on
          FROM told WHERE notice <> 0
    ), changed AS (
        UPDATE limits.credit_lines c
           SET limit_minor = l.limit_after_minor,
               version = l.version_after,
               last_raise_on = CASE WHEN l.action > 0 THEN l.as_of ELSE c.last_raise_on END,
               last_cut_on = CASE WHEN l.action < 0 THEN l.as_of ELSE c.last_cut_on END,
               limit_before_cut_minor = CASE WHEN l.action < 0 THEN l.limit_before_minor
                                             ELSE c.limit_before_cut_minor END
          FROM logged l
         WHERE c.user_id = l.user_id AND c.user_id BETWEEN v_first AND v_last AND l.action <> 0
    ), counted AS (
        UPDATE limits.shards s
           SET users_raised = s.users_raised + n.raised,
               users_held = s.users_held + n.held,
               users_lowered = s.users_lowered + n.lowered,
               exposure_before_minor = s.exposure_before_minor + n.before,
               exposure_after_minor = s.exposure_after_minor + n.after
          FROM (SELECT count(*) FILTER (WHERE action > 0) AS raised, count(*) FILTER (WHERE action = 0) AS held,
                       count(*) FILTER (WHERE action < 0) AS lowered,
                       coalesce(sum(limit_before_minor), 0) AS before,
                       coalesce(sum(limit_after_minor), 0) AS after FROM logged) n
         WHERE s.review_id = p_review AND s.shard = p_shard
    )
    INSERT INTO limits.outbox (entry_id, review_id, user_id, as_of, kind)
    SELECT entry_id, p_review, user_id, as_of, CASE WHEN action > 0 THEN 'limit_raised' ELSE 'limit_lowered' END
      FROM logged WHERE action <> 0;

    -- A review as of a day before the consent was taken back cannot know of that; its raise waits for nothing.
    UPDATE limits.pending_changes p
       SET state = 'suppressed', ended_at = clock_timestamp(), ended_by = v_review.actor,
           ended_reason = 'consent to raises withdrawn'
      FROM unnest(p_rows) d
     WHERE d.proposed_minor > d.limit_before_minor AND p.user_id = d.user_id AND p.state = 'open'
       AND limits.raises_withdrawn(d.user_id, (clock_timestamp() AT TIME ZONE 'UTC')::date);

    -- Reviews that have the user on their list and did not apply anything yet have to decide again.
    IF v_review.kind = 'recompute' THEN
        INSERT INTO limits.decided_meanwhile (review_id, user_id, by_review)
        SELECT r.review_id, p_rows[1].user_id, p_review
          FROM limits.reviews r JOIN limits.shards s ON s.review_id = r.review_id
         WHERE r.kind = 'scheduled' AND r.state IN ('running', 'held') AND s.state <> 'done'
           AND p_rows[1].user_id BETWEEN s.user_from AND s.user_to;
        PERFORM limits.end_recompute(p_review);
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION limits.added_up, limits.shift_review, limits.begin_again FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.added_up, limits.shift_review, limits.begin_again TO limits_worker;
REVOKE DELETE ON limits.decided_meanwhile FROM limits_worker;

RESET ROLE;
