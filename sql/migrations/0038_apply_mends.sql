-- depends: 0037_marks_by_index
-- What is applied: by a worker, where a review is of a schedule; on what is true now; to nobody who was put aside; and in
-- words and numbers that the sealer can sign and everybody can read. An entry is for ever, and so would a wrong one be.

SET LOCAL ROLE limits_owner;

-- As in 0015, and reasons and numbers that an entry can say.
CREATE OR REPLACE FUNCTION limits.adds_up(d limits.decision_row, p_day date, p_carries_out boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_ndims(d.ceilings_minor) = 1 AND array_lower(d.ceilings_minor, 1) = 1 AND d.binding >= 0
       AND d.lowest_ceiling_minor = d.ceilings_minor[d.binding + 1]
       -- No amount that the product lets in anywhere, no reasons, bits and methods that it does not know: there are 55
       -- reasons (limits/reasons.py), each with its ceiling and its bit.
       AND greatest(d.limit_after_minor, d.proposed_minor) <= 1000000000000000
       AND cardinality(d.ceilings_minor) <= 55 AND d.reason_bits BETWEEN 0 AND (1::bigint << 55) - 1
       AND d.consent BETWEEN 0 AND 7 AND d.capacity_method BETWEEN 0 AND 6 AND d.months_observed BETWEEN 0 AND 1200
       -- The least number stands for none in an entry's bytes. (Of the ceilings the lowest is asked.)
       AND least(d.lowest_ceiling_minor, d.capacity_p10_minor, d.capacity_p50_minor, d.capacity_p90_minor)
           > -9223372036854775808
       AND (d.risk_points > -2147483648) IS NOT FALSE
       AND (d.lowest_ceiling_minor <= ALL (d.ceilings_minor)) IS NOT FALSE
       AND d.floor_minor BETWEEN 0 AND d.limit_before_minor
       AND d.limit_after_minor >= d.floor_minor
       -- Now or later, and not both: what waits leaves the limit as it is, has an amount and a
       -- day, is no raise above a ceiling and no cut below the floor; an offer is a raise.
       AND d.disposition BETWEEN 0 AND 2
       AND CASE WHEN d.disposition = 0 THEN d.proposed_minor IS NULL AND d.effective_on IS NULL
                ELSE d.limit_after_minor = d.limit_before_minor
                 AND (d.disposition <> 1 OR d.proposed_minor > d.limit_before_minor)
                 AND d.proposed_minor <> d.limit_before_minor
                 AND d.proposed_minor <= greatest(d.lowest_ceiling_minor, d.limit_before_minor)
                 AND d.proposed_minor >= d.floor_minor
                 AND d.effective_on BETWEEN p_day AND p_day + 366 END
       -- Each notice belongs to what was decided, and neither a cut nor what waits goes untold.
       AND CASE WHEN d.notice = 0 THEN d.notice_due_on IS NULL
                ELSE d.notice_due_on BETWEEN p_day AND p_day + 366 END
       AND CASE WHEN d.disposition = 1 THEN d.notice = 3
                WHEN d.disposition = 2 THEN d.notice = 4
                WHEN d.limit_after_minor < d.limit_before_minor THEN d.notice = 2
                WHEN d.limit_after_minor > d.limit_before_minor THEN d.notice IN (0, 1, 5)
                ELSE d.notice IN (0, 5) OR d.notice = 6 AND p_carries_out END
$$;

-- As in 0032, and asked who applies a review of a schedule, how the transaction sees, who was put aside, what the record
-- says, and for one user the root.
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

-- As in 0020, and not beside whoever applies the shard: of a user's decision and exception the later sees the earlier.
CREATE OR REPLACE FUNCTION limits.guard_exceptions() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF limits.unguarded() THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM limits.shards s
      WHERE s.review_id IN (SELECT n.review_id FROM added n)
        AND EXISTS (SELECT FROM added n WHERE n.review_id = s.review_id AND n.user_id BETWEEN s.user_from AND s.user_to)
      ORDER BY s.review_id, s.shard FOR SHARE;
    IF EXISTS (
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

-- Who settles the dates of schedules. A row and not an advisory lock, which anybody who may connect could take and keep:
-- no review would be owed any more.
INSERT INTO limits.turns VALUES ('schedule');

RESET ROLE;
