-- depends: 0009_policy_inputs 0011_overrides_approvals
-- Where a change waits: requests, offers, announced changes, consent. A decision says how it takes
-- effect, and the one function that changes limits also opens and carries out what waits.

SET LOCAL ROLE limits_owner;

-- What a review of one user answers or carries out. Both are made and ended in one transaction.
ALTER TABLE limits.reviews
    ADD COLUMN request_id bigint REFERENCES limits.limit_requests,
    ADD COLUMN change_id bigint REFERENCES limits.pending_changes,
    ADD CHECK (kind = 'recompute' OR request_id IS NULL AND change_id IS NULL),
    ADD CHECK (request_id IS NULL OR change_id IS NULL);

-- Who said so and why, where it was operations and no file.
ALTER TABLE limits.consents
    ADD COLUMN actor text NOT NULL DEFAULT '',
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN session_role text NOT NULL DEFAULT session_user;

CREATE INDEX pending_changes_review ON limits.pending_changes (review_id);

CREATE FUNCTION limits.notice_kind(p_notice smallint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (ARRAY['raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn'])[p_notice]
$$;

-- Whether the user's newest word about raises on a day is that there shall be none.
CREATE FUNCTION limits.raises_withdrawn(p_user bigint, p_day date) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT 'withdrawn' = (SELECT c.state FROM limits.consents c
                           WHERE c.user_id = p_user AND c.subject = 'raises' AND c.effective_on <= p_day
                           ORDER BY c.effective_on DESC, c.ingested_at DESC, c.state = 'withdrawn' DESC LIMIT 1)
$$;

-- The one way to change a limit. Reads the caller's staged decisions of one shard,
-- checks the lease (fencing), the review's state and every version under row locks
-- taken in user order, then changes limits, log, outbox, waiting changes and notices together.
-- Returns the users whose line had moved on, or for whom another change waits by now (stale):
-- nothing was done for them.
CREATE OR REPLACE FUNCTION limits.apply_decisions(p_review bigint, p_shard integer, p_token bigint, p_code_version text)
RETURNS TABLE (stale_user_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_review  limits.reviews;
    v_request limits.limit_requests;
    v_change  limits.pending_changes;
    v_users   bigint[];
    v_day     date;
    v_xact    xid8 := pg_current_xact_id();
BEGIN
    SELECT * INTO v_review FROM limits.reviews WHERE review_id = p_review FOR SHARE;
    IF v_review.state IS DISTINCT FROM 'running' THEN
        RAISE EXCEPTION 'review % is %, not running: nothing applied', p_review, coalesce(v_review.state, 'unknown')
            USING ERRCODE = 'LM001';
    END IF;
    v_day := v_review.business_date;
    SELECT s.user_ids INTO v_users FROM limits.shards s
     WHERE s.review_id = p_review AND s.shard = p_shard AND s.state = 'leased'
       AND s.token = p_token AND s.leased_until > clock_timestamp()
       FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lease % on shard % of review % is no longer held: nothing applied', p_token, p_shard, p_review
            USING ERRCODE = 'LM002';
    END IF;
    PERFORM limits.require_approved(v_review.policy_hash);

    PERFORM 1 FROM limits.credit_lines c
      JOIN limits.decision_stage d ON d.user_id = c.user_id
     WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
     ORDER BY c.user_id FOR UPDATE OF c;

    -- Whoever may stage decisions is trusted to compute them, not to contradict them: what a row
    -- says of itself must add up, and the review must be about these users and no later day.
    IF v_day > (clock_timestamp() AT TIME ZONE 'UTC')::date OR EXISTS (
        SELECT FROM limits.decision_stage d
          LEFT JOIN unnest(v_users) AS planned(user_id) ON planned.user_id = d.user_id
          LEFT JOIN limits.credit_lines c ON c.user_id = d.user_id
         WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
           AND (planned.user_id IS NULL
             OR greatest(c.last_raise_on, c.last_cut_on) > v_day
             OR d.lowest_ceiling_minor IS DISTINCT FROM (SELECT min(bound) FROM unnest(d.ceilings_minor) AS bound)
             OR d.lowest_ceiling_minor IS DISTINCT FROM d.ceilings_minor[d.binding + 1]
             OR d.floor_minor NOT BETWEEN 0 AND d.limit_before_minor
             OR d.limit_after_minor < d.floor_minor
             -- Now or later, and not both: what waits leaves the limit as it is, has an amount and a
             -- day, is no raise above a ceiling and no cut below the floor; an offer is a raise.
             OR d.disposition NOT BETWEEN 0 AND 2
             OR (d.disposition = 0) <> (d.proposed_minor IS NULL)
             OR (d.disposition = 0) <> (d.effective_on IS NULL)
             OR d.disposition <> 0 AND d.limit_after_minor <> d.limit_before_minor
             OR d.disposition = 1 AND d.proposed_minor <= d.limit_before_minor
             OR d.proposed_minor = d.limit_before_minor
             OR d.proposed_minor > greatest(d.lowest_ceiling_minor, d.limit_before_minor)
             OR d.proposed_minor < d.floor_minor
             OR d.effective_on NOT BETWEEN v_day AND v_day + 366
             -- Each notice belongs to what was decided, and neither a cut nor what waits goes untold.
             OR (d.notice = 0) <> (d.notice_due_on IS NULL)
             OR d.notice_due_on NOT BETWEEN v_day AND v_day + 366
             OR NOT CASE WHEN d.disposition = 1 THEN d.notice = 3
                         WHEN d.disposition = 2 THEN d.notice = 4
                         WHEN d.limit_after_minor < d.limit_before_minor THEN d.notice = 2
                         WHEN d.limit_after_minor > d.limit_before_minor THEN d.notice IN (0, 1, 5)
                         ELSE d.notice IN (0, 5, 6) END
             OR d.notice = 6 AND v_review.change_id IS NULL)) THEN
        RAISE EXCEPTION 'a decision of review % contradicts itself, its plan or the calendar: nothing applied', p_review
            USING ERRCODE = 'LM003';
    END IF;

    -- NO KEY: whoever races has made a review that refers to the same row, and would wait for this
    -- one while this one waited for the other.
    IF v_review.change_id IS NOT NULL THEN
        SELECT * INTO v_change FROM limits.pending_changes WHERE change_id = v_review.change_id FOR NO KEY UPDATE;
        -- A worker speaks for no user: an offer is accepted by whoever talks to the user.
        IF v_change.state <> 'open' OR v_users <> ARRAY[v_change.user_id]
           OR v_change.kind = 'offer' AND NOT pg_has_role(session_user, 'limits_operations', 'MEMBER')
           OR v_change.kind = 'offer' AND v_day NOT BETWEEN v_change.as_of AND v_change.effective_on
           OR v_change.kind = 'announced' AND v_day < v_change.effective_on THEN
            RAISE EXCEPTION 'change % is % and cannot be carried out as of %: nothing applied',
                v_change.change_id, v_change.state, v_day USING ERRCODE = 'LM005';
        END IF;
        IF EXISTS (SELECT FROM limits.decision_stage d
                    WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
                      AND v_change.proposed_minor > v_change.limit_minor AND d.limit_after_minor > v_change.proposed_minor
                      AND d.limit_after_minor > d.limit_before_minor) THEN
            RAISE EXCEPTION 'review % raises above what change % offered: nothing applied', p_review, v_change.change_id
                USING ERRCODE = 'LM003';
        END IF;
        -- Who was told of a change hears of its end: by a notice of what became of it, or where nothing
        -- did, that it is off. Only who took back the consent to a raise knows that without.
        IF EXISTS (SELECT FROM limits.decision_stage d
                    WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
                      AND NOT CASE
                          WHEN v_change.kind = 'offer' THEN d.notice <> 6
                          WHEN d.disposition <> 0 OR d.limit_after_minor <> d.limit_before_minor THEN d.notice <> 0
                          WHEN d.notice = 6 THEN true
                          ELSE d.notice = 0 AND v_change.proposed_minor > v_change.limit_minor
                           AND coalesce('withdrawn' = (SELECT c.state FROM limits.consents c
                                               WHERE c.user_id = d.user_id AND c.subject = 'raises'
                                                 AND c.effective_on <= v_day
                                               ORDER BY c.effective_on DESC, c.ingested_at DESC,
                                                        c.state = 'withdrawn' DESC LIMIT 1), false) END) THEN
            RAISE EXCEPTION 'review % does not tell what became of change %: nothing applied', p_review, v_change.change_id
                USING ERRCODE = 'LM003';
        END IF;
    END IF;
    IF v_review.request_id IS NOT NULL THEN
        SELECT * INTO v_request FROM limits.limit_requests WHERE request_id = v_review.request_id FOR NO KEY UPDATE;
        IF v_request.review_id IS NOT NULL OR v_users <> ARRAY[v_request.user_id] OR v_request.asked_on <> v_day THEN
            RAISE EXCEPTION 'request % is not for review % to answer: nothing applied', v_request.request_id, p_review
                USING ERRCODE = 'LM005';
        END IF;
        IF EXISTS (SELECT FROM limits.decision_stage d
                    WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
                      AND (d.proposed_minor > d.limit_before_minor   -- who asks is raised at once
                        OR d.limit_after_minor > greatest(v_request.amount_minor, d.limit_before_minor)
                        -- and told, where it is not what was asked for
                        OR d.limit_after_minor < v_request.amount_minor AND d.notice NOT IN (2, 4, 5)))
        THEN
            RAISE EXCEPTION 'review % does not answer request %: nothing applied', p_review, v_request.request_id
                USING ERRCODE = 'LM003';
        END IF;
    END IF;

    -- Whatever is staged but no longer matches the line it was decided on is stale; so is what the
    -- decision cannot have known of: a raise or a new change while another one waits, a raise that
    -- nobody asked for of a user who has taken back the consent, a raise above an override. Whoever
    -- writes those down locks the line too, so that each of the two sees the other.
    RETURN QUERY
    DELETE FROM limits.decision_stage d
     WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
       AND (NOT EXISTS (SELECT 1 FROM limits.credit_lines c
                         WHERE c.user_id = d.user_id AND c.version = d.version_before
                           AND c.limit_minor = d.limit_before_minor AND c.currency = d.currency)
         OR (d.disposition <> 0 OR d.limit_after_minor > d.limit_before_minor)
            AND EXISTS (SELECT FROM limits.pending_changes p
                         WHERE p.user_id = d.user_id AND p.state = 'open'
                           AND p.change_id IS DISTINCT FROM v_review.change_id)
         OR coalesce(d.proposed_minor, d.limit_after_minor) > d.limit_before_minor
            AND (v_review.request_id IS NULL AND v_review.change_id IS NULL
                 AND limits.raises_withdrawn(d.user_id, v_day)
              OR EXISTS (SELECT FROM limits.overrides o
                          WHERE o.user_id = d.user_id AND o.state = 'approved' AND o.kind <> 'floor'
                            AND o.starts_on <= v_day AND o.expires_on > v_day
                            AND coalesce(d.proposed_minor, d.limit_after_minor)
                                > coalesce(o.amount_minor, d.limit_before_minor))))
    RETURNING d.user_id;

    -- What this review carries out or answers, by what it decided. Before a new change may open.
    UPDATE limits.pending_changes p
       SET state = CASE WHEN made.same_way THEN 'applied' ELSE 'suppressed' END,
           applied_review_id = CASE WHEN made.same_way THEN p_review END,
           ended_at = clock_timestamp(), ended_by = v_review.actor, ended_reason = v_review.reason
      FROM (SELECT d.user_id, sign(d.limit_after_minor - d.limit_before_minor)
                              = sign(v_change.proposed_minor - v_change.limit_minor) AS same_way
              FROM limits.decision_stage d
             WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact) made
     WHERE p.change_id = v_change.change_id AND p.user_id = made.user_id;
    UPDATE limits.limit_requests q
       SET review_id = p_review,
           answer = CASE WHEN d.limit_after_minor >= q.amount_minor THEN 'granted'
                         WHEN d.limit_after_minor > d.limit_before_minor THEN 'partly_granted' ELSE 'refused' END
      FROM limits.decision_stage d
     WHERE q.request_id = v_request.request_id AND d.user_id = q.user_id
       AND d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact;

    WITH logged AS (
        INSERT INTO limits.adjustment_log AS l (
            review_id, shard, user_id, as_of, currency, limit_before_minor, limit_after_minor,
            version_before, version_after, action, binding, reason_bits, ceilings_minor,
            lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor, capacity_p90_minor,
            capacity_method, months_observed, policy_hash, input_digest, code_version, actor,
            disposition, proposed_minor)
        SELECT d.review_id, d.shard, d.user_id, v_day, d.currency, d.limit_before_minor,
               d.limit_after_minor, d.version_before,
               d.version_before + (d.limit_after_minor <> d.limit_before_minor)::int,
               sign(d.limit_after_minor - d.limit_before_minor), d.binding, d.reason_bits, d.ceilings_minor,
               d.lowest_ceiling_minor, d.floor_minor, d.capacity_p10_minor, d.capacity_p50_minor,
               d.capacity_p90_minor, d.capacity_method, d.months_observed, v_review.policy_hash,
               d.input_digest, p_code_version, v_review.actor, d.disposition, d.proposed_minor
          FROM limits.decision_stage d
         WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
         ORDER BY d.user_id
        RETURNING l.entry_id, l.user_id, l.as_of, l.action, l.currency, l.limit_before_minor, l.limit_after_minor,
                  l.version_after
    ), told AS (
        SELECT l.*, d.disposition, d.proposed_minor, d.effective_on, d.notice, d.notice_due_on
          FROM logged l JOIN limits.decision_stage d ON d.user_id = l.user_id
         WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
           AND (d.disposition <> 0 OR d.notice <> 0)
    ), waiting AS (
        INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                            proposed_minor, effective_on)
        SELECT entry_id, p_review, user_id, CASE disposition WHEN 1 THEN 'offer' ELSE 'announced' END, as_of, currency,
               limit_before_minor, proposed_minor, effective_on
          FROM told WHERE disposition <> 0 ORDER BY user_id
    ), noticed AS (
        INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on)
        SELECT entry_id, p_review, user_id, limits.notice_kind(notice), as_of, notice_due_on
          FROM told WHERE notice <> 0 ORDER BY user_id
    ), changed AS (
        UPDATE limits.credit_lines c
           SET limit_minor = l.limit_after_minor,
               version = l.version_after,
               last_raise_on = CASE WHEN l.action > 0 THEN l.as_of ELSE c.last_raise_on END,
               last_cut_on = CASE WHEN l.action < 0 THEN l.as_of ELSE c.last_cut_on END,
               limit_before_cut_minor = CASE WHEN l.action < 0 THEN l.limit_before_minor
                                             ELSE c.limit_before_cut_minor END
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

    -- A review as of a day before the consent was taken back cannot know of that; its raise waits for nothing.
    UPDATE limits.pending_changes p
       SET state = 'suppressed', ended_at = clock_timestamp(), ended_by = v_review.actor,
           ended_reason = 'consent to raises withdrawn'
      FROM limits.decision_stage d
     WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token AND d.staged_in = v_xact
       AND d.proposed_minor > d.limit_before_minor AND p.user_id = d.user_id AND p.state = 'open'
       AND limits.raises_withdrawn(d.user_id, (clock_timestamp() AT TIME ZONE 'UTC')::date);

    DELETE FROM limits.decision_stage d WHERE d.review_id = p_review AND d.shard = p_shard AND d.token = p_token;
END $$;

-- A waiting change that comes to nothing. The row's lock decides between callers who race: the
-- second finds the state that the first left (done = false) and changes nothing.
CREATE FUNCTION limits.end_change(p_change bigint, p_state text, p_as_of date, p_actor text, p_reason text)
RETURNS TABLE (state text, done boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_change limits.pending_changes;
BEGIN
    SELECT * INTO v_change FROM limits.pending_changes p WHERE p.change_id = p_change FOR NO KEY UPDATE;
    IF NOT FOUND OR v_change.state <> 'open' THEN
        RETURN QUERY SELECT v_change.state, false;
        RETURN;
    END IF;
    IF p_as_of IS NULL OR p_as_of > (clock_timestamp() AT TIME ZONE 'UTC')::date OR p_as_of < v_change.as_of
       OR coalesce(p_actor, '') = '' OR coalesce(p_reason, '') = ''
       OR NOT (CASE p_state
              -- A user may say no to more, not to less; and a worker speaks for no user.
              WHEN 'declined' THEN v_change.proposed_minor > v_change.limit_minor
                                   AND pg_has_role(session_user, 'limits_operations', 'MEMBER')
              WHEN 'expired' THEN v_change.kind = 'offer' AND p_as_of > v_change.effective_on
              -- Nothing is left to decide about, nor a limit that could be said to stay: no notice.
              WHEN 'suppressed' THEN EXISTS (
                  SELECT FROM limits.user_profiles u
                   WHERE u.user_id = v_change.user_id AND u.status = 'closed' AND u.effective_on <= p_as_of
                     AND NOT EXISTS (SELECT FROM limits.user_profiles n WHERE n.user_id = u.user_id
                                        AND n.effective_on > u.effective_on AND n.effective_on <= p_as_of))
              ELSE false END) THEN
        RAISE EXCEPTION 'change % cannot be % as of %', p_change, p_state, p_as_of USING ERRCODE = 'LM005';
    END IF;
    UPDATE limits.pending_changes p
       SET state = p_state, ended_at = clock_timestamp(), ended_by = p_actor, ended_reason = p_reason
     WHERE p.change_id = p_change;
    RETURN QUERY SELECT p_state, true;
END $$;

-- Whoever takes back the consent to raises has no raise waiting any longer, whichever way the
-- word came in: in the transaction that writes it down.
CREATE FUNCTION limits.end_raises_of_opted_out() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    -- Waits for whoever is about to open a raise of these users, and makes those who come later see this.
    PERFORM 1 FROM limits.credit_lines c
      WHERE c.user_id IN (SELECT user_id FROM added WHERE subject = 'raises' AND state = 'withdrawn')
      ORDER BY c.user_id FOR NO KEY UPDATE;
    UPDATE limits.pending_changes p
       SET state = 'suppressed', ended_at = clock_timestamp(),
           ended_by = coalesce(nullif(w.actor, ''), w.source), ended_reason = 'consent to raises withdrawn'
      FROM (SELECT DISTINCT ON (user_id) user_id, actor, source FROM added
             WHERE subject = 'raises' AND state = 'withdrawn' ORDER BY user_id) w
     WHERE p.user_id = w.user_id AND p.state = 'open' AND p.proposed_minor > p.limit_minor
       AND limits.raises_withdrawn(p.user_id, (clock_timestamp() AT TIME ZONE 'UTC')::date);
    RETURN NULL;
END $$;
CREATE TRIGGER end_raises AFTER INSERT ON limits.consents REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION limits.end_raises_of_opted_out();

-- What a user told operations. Nothing is written where the user said so before; ended: raises
-- that waited and do not any longer.
CREATE FUNCTION limits.set_consent(p_user bigint, p_subject text, p_state text, p_effective_on date,
                                   p_actor text, p_reason text)
RETURNS TABLE (written boolean, ended bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_known text;
    v_open  bigint[];
    v_id    text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS.US');
BEGIN
    IF p_effective_on IS NULL OR p_effective_on > (clock_timestamp() AT TIME ZONE 'UTC')::date
       OR coalesce(p_actor, '') = '' OR coalesce(p_reason, '') = '' THEN
        RAISE EXCEPTION 'consent needs a day that has come, an actor and a reason' USING ERRCODE = 'LM003';
    END IF;
    -- One at a time for each user: two clicks at once write one row.
    PERFORM 1 FROM limits.users WHERE user_id = p_user FOR NO KEY UPDATE;
    SELECT c.state INTO v_known FROM limits.consents c
     WHERE c.user_id = p_user AND c.subject = p_subject AND c.effective_on <= p_effective_on
     ORDER BY c.effective_on DESC, c.ingested_at DESC, c.state = 'withdrawn' DESC LIMIT 1;
    IF v_known = p_state THEN
        RETURN QUERY SELECT false, 0::bigint;
        RETURN;
    END IF;
    v_open := ARRAY(SELECT change_id FROM limits.pending_changes p WHERE p.user_id = p_user AND p.state = 'open');
    INSERT INTO limits.consents (user_id, source, source_id, effective_on, subject, state, digest, actor, reason,
                                 ingested_at)
    VALUES (p_user, 'operations', format('%s-%s-%s', v_id, p_user, p_subject), p_effective_on, p_subject, p_state,
            sha256(convert_to(format('%s|%s|%s|%s', p_user, p_effective_on, p_subject, p_state), 'UTF8')),
            p_actor, p_reason, clock_timestamp());
    RETURN QUERY SELECT true, (SELECT count(*) FROM limits.pending_changes p
                                WHERE p.change_id = ANY (v_open) AND p.state <> 'open');
END $$;

-- A user asks for an amount. NULL where the key was used before.
CREATE FUNCTION limits.ask_for_limit(p_user bigint, p_asked_on date, p_amount bigint, p_currency char(3),
                                     p_key text, p_actor text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_request bigint;
BEGIN
    -- The key first: whoever clicks a second time finds the limit that the first click made.
    INSERT INTO limits.limit_requests (user_id, asked_on, amount_minor, currency, idempotency_key, actor)
    VALUES (p_user, p_asked_on, p_amount, p_currency, p_key, p_actor)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING request_id INTO v_request;
    IF v_request IS NOT NULL
       AND (p_asked_on > (clock_timestamp() AT TIME ZONE 'UTC')::date OR p_key = '' OR p_amount > 1000000000000000
         OR NOT EXISTS (SELECT FROM limits.credit_lines c
                         WHERE c.user_id = p_user AND c.currency = p_currency AND p_amount > c.limit_minor)) THEN
        RAISE EXCEPTION 'user % cannot ask for % % as of %', p_user, p_amount, p_currency, p_asked_on
            USING ERRCODE = 'LM003';
    END IF;
    RETURN v_request;
END $$;

-- What an auditor reads, with how the decision takes effect. effective_on: of what was offered,
-- the last day to accept; of what was announced, the day it takes effect.
CREATE OR REPLACE VIEW limits.log_entries AS
SELECT l.entry_id, l.review_id, l.shard, l.user_id, l.as_of, l.decided_at, l.currency, c.exponent,
       l.limit_before_minor, l.limit_after_minor, l.version_before, l.version_after, l.action, l.binding,
       l.reason_bits, l.ceilings_minor, l.lowest_ceiling_minor, l.floor_minor, l.capacity_p10_minor,
       l.capacity_p50_minor, l.capacity_p90_minor, l.capacity_method, l.months_observed, l.policy_hash,
       l.input_digest, l.code_version, l.actor, l.role, l.session_role,
       r.kind AS review_kind, r.schedule, r.reason AS review_reason, p.pack, p.effective_on AS policy_effective_on,
       l.disposition, l.proposed_minor, w.effective_on
  FROM limits.adjustment_log l
  JOIN limits.reviews r ON r.review_id = l.review_id
  JOIN limits.policies p ON p.policy_hash = l.policy_hash
  JOIN limits.currencies c ON c.currency = l.currency
  LEFT JOIN limits.pending_changes w ON w.entry_id = l.entry_id;

REVOKE EXECUTE ON FUNCTION limits.notice_kind, limits.raises_withdrawn, limits.end_change, limits.end_raises_of_opted_out, limits.set_consent,
    limits.ask_for_limit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.end_change TO limits_worker, limits_operations;
GRANT EXECUTE ON FUNCTION limits.set_consent, limits.ask_for_limit TO limits_operations;

RESET ROLE;
