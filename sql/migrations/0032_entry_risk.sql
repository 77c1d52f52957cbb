-- depends: 0031_risk_models
-- What a scorecard said of a user is part of the decision's entry, which is of format 2 from here on: points, and the
-- probability of a missed payment. Entries of format 1 stay as they are and have neither. docs/log.md has the formats.

SET LOCAL ROLE limits_owner;

-- Columns -----------------------------------------------------------------------------------

-- Both or none: none where nobody was scored, and of entries of format 1.
-- NOT VALID, because whatever was there before has neither, and looking at all of the log would say no more.
ALTER TABLE limits.adjustment_log
    ADD COLUMN risk_points          integer,      -- of the scorecard of the review; more is better
    ADD COLUMN risk_probability_ppm integer,      -- of a missed payment within its horizon, parts per million
    ADD CONSTRAINT adjustment_log_risk_check
        CHECK ((risk_points IS NULL) = (risk_probability_ppm IS NULL)
               AND risk_probability_ppm BETWEEN 0 AND 1000000) NOT VALID;
CREATE OR REPLACE VIEW limits_read.adjustment_log AS SELECT * FROM limits.adjustment_log;

-- The bytes of the entry stay the last field: they are put on when all others are known.
ALTER TYPE limits.decision_row
    DROP ATTRIBUTE entry,
    ADD ATTRIBUTE risk_points integer,
    ADD ATTRIBUTE risk_probability_ppm integer,
    ADD ATTRIBUTE entry bytea;

-- As in 0012, and what the scorecard said.
CREATE OR REPLACE VIEW limits.log_entries AS
SELECT l.entry_id, l.review_id, l.shard, l.user_id, l.as_of, l.decided_at, l.currency, c.exponent,
       l.limit_before_minor, l.limit_after_minor, l.version_before, l.version_after, l.action, l.binding,
       l.reason_bits, l.ceilings_minor, l.lowest_ceiling_minor, l.floor_minor, l.capacity_p10_minor,
       l.capacity_p50_minor, l.capacity_p90_minor, l.capacity_method, l.months_observed, l.policy_hash,
       l.input_digest, l.code_version, l.actor, l.role, l.session_role,
       r.kind AS review_kind, r.schedule, r.reason AS review_reason, p.pack, p.effective_on AS policy_effective_on,
       l.disposition, l.proposed_minor, w.effective_on, l.risk_points, l.risk_probability_ppm
  FROM limits.adjustment_log l
  JOIN limits.reviews r ON r.review_id = l.review_id
  JOIN limits.policies p ON p.policy_hash = l.policy_hash
  JOIN limits.currencies c ON c.currency = l.currency
  LEFT JOIN limits.pending_changes w ON w.entry_id = l.entry_id;

-- Entries and records -----------------------------------------------------------------------

-- As in 0021 and 0026, and a risk that somebody puts beside an entry of before there were bytes changes the digest. None of
-- them has one, so that it is what it was.
CREATE OR REPLACE FUNCTION limits.origin_digest() RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT sha256(coalesce(string_agg(sha256(record_send(ROW(
               l.entry_id, l.review_id, l.shard, l.user_id, l.as_of, l.decided_at, l.currency, l.limit_before_minor,
               l.limit_after_minor, l.version_before, l.version_after, l.action, l.binding, l.reason_bits,
               l.ceilings_minor, l.lowest_ceiling_minor, l.floor_minor, l.capacity_p10_minor, l.capacity_p50_minor,
               l.capacity_p90_minor, l.capacity_method, l.months_observed, l.policy_hash, l.input_digest,
               l.code_version, l.actor, l.role, l.session_role, l.disposition, l.proposed_minor))
               || coalesce(int4send(l.risk_points), '') || coalesce(int4send(l.risk_probability_ppm), '')),
           '' ORDER BY l.entry_id), ''))
      FROM limits.adjustment_log l WHERE l.batch_id IS NULL
$$;

-- As in 0021, in format 2.
CREATE OR REPLACE FUNCTION limits.entry_bytes(d limits.decision_row, p_sequence integer) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT '\x02'::bytea || int4send(p_sequence) || int8send(d.user_id) || int8send(d.limit_before_minor)
        || int8send(d.limit_after_minor) || int8send(d.version_before) || int2send(d.binding)
        || int8send(d.reason_bits) || int8send(d.lowest_ceiling_minor) || int8send(d.floor_minor)
        || int8send(d.capacity_p10_minor) || int8send(d.capacity_p50_minor) || int8send(d.capacity_p90_minor)
        || int2send(d.capacity_method) || int2send(d.months_observed) || int2send(d.disposition)
        || int8send(coalesce(d.proposed_minor, -9223372036854775808))
        || int4send(coalesce(d.effective_on - date '2000-01-01', -2147483648)) || int2send(d.notice)
        || int4send(coalesce(d.notice_due_on - date '2000-01-01', -2147483648)) || int2send(d.consent)
        || int4send(coalesce(d.risk_points, -2147483648)) || int4send(coalesce(d.risk_probability_ppm, -2147483648))
        || int2send(cardinality(d.ceilings_minor)::smallint)
        || (SELECT string_agg(set_byte('\x00', 0, bits), '' ORDER BY byte)
              FROM (SELECT (place - 1) / 8 AS byte,
                           sum(CASE WHEN bound IS NULL THEN 0 ELSE 1 << ((place - 1) % 8)::integer END)::integer AS bits
                      FROM unnest(d.ceilings_minor) WITH ORDINALITY AS u(bound, place) GROUP BY 1) m)
        || (SELECT coalesce(string_agg(int8send(bound), '' ORDER BY place) FILTER (WHERE bound IS NOT NULL), '')
              FROM unnest(d.ceilings_minor) WITH ORDINALITY AS u(bound, place))
$$;

-- Applying ----------------------------------------------------------------------------------

-- As in 0021, and the log keeps the risk of each decision, which has one only where a model scores the review.
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
    v_day := v_review.business_date;
    SELECT s.user_ids, s.decided_at, s.snapshot_digest INTO v_users, v_decided, v_snapshot FROM limits.shards s
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
    IF v_decided IS NOT NULL THEN
        v_news := ARRAY(SELECT f.user_id FROM limits.frauds f
                         WHERE f.ingested_at > v_decided AND f.user_id BETWEEN v_first AND v_last
                        UNION SELECT u.user_id FROM limits.user_profiles u
                         WHERE u.ingested_at > v_decided AND u.user_id BETWEEN v_first AND v_last);
    END IF;

    -- In one pass. sound: the row adds up, its user is on the plan and was not changed as of a later day.
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

RESET ROLE;
