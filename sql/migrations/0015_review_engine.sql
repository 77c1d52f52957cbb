-- depends: 0012_pending_changes 0013_notices
-- A review decides first and applies afterwards. Decisions come as one typed array in place of a
-- staged table: nothing is written twice, and nobody can leave rows for somebody else to apply.

SET LOCAL ROLE limits_owner;

-- Stages --------------------------------------------------------------------------------

-- decide: shards are decided and nothing is applied. apply: the gate let the review through, for
-- the shards below released_shards. held: the gate stopped it until somebody releases or cancels it.
ALTER TABLE limits.reviews
    DROP CONSTRAINT reviews_state_check,
    ADD CONSTRAINT reviews_state_check
        CHECK (state IN ('owed', 'running', 'held', 'done', 'failed', 'cancelled')),
    ADD COLUMN stage text NOT NULL DEFAULT 'decide' CHECK (stage IN ('decide', 'apply')),
    ADD COLUMN released_shards integer NOT NULL DEFAULT 0 CHECK (released_shards >= 0);
UPDATE limits.reviews SET stage = 'apply' WHERE kind = 'recompute' OR state IN ('done', 'failed', 'cancelled');
DROP INDEX limits.reviews_unfinished;
CREATE INDEX reviews_unfinished ON limits.reviews (business_date, review_id) WHERE state IN ('owed', 'running', 'held');

-- A shard that is decided goes back to pending, in stage apply, with its decisions beside it.
ALTER TABLE limits.shards
    ADD COLUMN stage text NOT NULL DEFAULT 'decide' CHECK (stage IN ('decide', 'apply')),
    ADD COLUMN snapshot_digest bytea CHECK (length(snapshot_digest) = 32),
    ADD COLUMN tally jsonb NOT NULL DEFAULT '{}',   -- what was decided, for the gate: counts, sums in minor units
    ADD COLUMN leased_at timestamptz,              -- when the newest lease was taken
    ADD COLUMN decided_at timestamptz,             -- when it was decided as a whole, and by whom
    ADD COLUMN decided_by text,
    -- Of what was applied; kept by apply_decisions beside the counts.
    ADD COLUMN exposure_before_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN exposure_after_minor bigint NOT NULL DEFAULT 0;
UPDATE limits.shards s
   SET exposure_before_minor = l.before, exposure_after_minor = l.after
  FROM limits.reviews r,
       LATERAL (SELECT x.review_id, x.shard, sum(x.limit_before_minor) AS before, sum(x.limit_after_minor) AS after
                  FROM limits.adjustment_log x
                 WHERE x.review_id = r.review_id AND x.as_of = r.business_date
                 GROUP BY x.review_id, x.shard) l
 WHERE r.state IN ('running', 'failed') AND s.review_id = l.review_id AND s.shard = l.shard;
UPDATE limits.shards s SET stage = 'apply'
  FROM limits.reviews r WHERE r.review_id = s.review_id AND (r.kind = 'recompute' OR s.state = 'done');

-- Decisions between the two stages: elements of an array of limits.decision_row as they go over the
-- wire, compressed. A part is applied by one transaction, which removes it.
CREATE TABLE limits.shard_parts (
    review_id bigint NOT NULL,
    shard     integer NOT NULL,
    part      integer NOT NULL,
    users     integer NOT NULL CHECK (users > 0),
    -- The primary key below IS the guarantee that a shard is decided once, by whoever commits first.
    root      bytea NOT NULL CHECK (length(root) = 32),   -- over the rows, see limits.batches
    body      bytea NOT NULL,
    PRIMARY KEY (review_id, shard, part),
    FOREIGN KEY (review_id, shard) REFERENCES limits.shards
);
ALTER TABLE limits.shard_parts ALTER COLUMN body SET STORAGE EXTERNAL;

-- The same of what challengers decided: rows of limits.challenger_log as they go over the wire.
CREATE TABLE limits.shard_shadows (
    review_id   bigint NOT NULL,
    shard       integer NOT NULL,
    policy_hash bytea NOT NULL,
    body        bytea NOT NULL,
    PRIMARY KEY (review_id, shard, policy_hash),
    FOREIGN KEY (review_id, shard) REFERENCES limits.shards
);

-- Users of an unfinished review whom somebody decided meanwhile: what the review decided about them
-- before is out of date, whether or not the limit moved.
CREATE TABLE limits.decided_meanwhile (
    review_id bigint NOT NULL REFERENCES limits.reviews,
    user_id   bigint NOT NULL,
    by_review bigint NOT NULL REFERENCES limits.reviews,
    PRIMARY KEY (review_id, user_id, by_review)
);

-- Whose turn it is: a row is locked by whoever does what one does at a time. Rows and not advisory locks, which
-- anybody who may connect could take and keep.
CREATE TABLE limits.turns (turn text PRIMARY KEY);
INSERT INTO limits.turns VALUES ('finish'), ('refresh');
GRANT SELECT, UPDATE ON limits.turns TO limits_worker, limits_operations;

-- The one switch that stops all applying. Every transaction that applies holds a share of its row,
-- so that when engaging it returns, nothing is being applied and nothing will be.
CREATE TABLE limits.kill_switch (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    engaged    boolean NOT NULL DEFAULT false,
    actor      text NOT NULL DEFAULT '',
    reason     text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO limits.kill_switch DEFAULT VALUES;

-- The log -------------------------------------------------------------------------------

-- One key where two were: it finds a user's history, and because as_of is one value per review it
-- IS the guarantee of one decision per (review, user). Entries of a review lie together, so that a
-- block range index finds them at next to no cost of writing.
ALTER TABLE limits.adjustment_log DROP CONSTRAINT adjustment_log_pkey;
ALTER TABLE limits.adjustment_log ADD PRIMARY KEY (user_id, as_of, review_id);
DROP INDEX limits.adjustment_log_user;
CREATE INDEX adjustment_log_review ON limits.adjustment_log
    USING brin (review_id) WITH (pages_per_range = 32, autosummarize = on);

-- Written by apply_decisions alone, from rows that it has just locked or written: looking each of them
-- up again would cost more than all else that is done for a notice.
ALTER TABLE limits.notices DROP CONSTRAINT notices_review_id_fkey, DROP CONSTRAINT notices_user_id_fkey;
ALTER TABLE limits.pending_changes
    DROP CONSTRAINT pending_changes_review_id_fkey, DROP CONSTRAINT pending_changes_user_id_fkey;

-- Every index of them is written for each user who is told something. A user's notices are found by the
-- log's entries; what is overdue is among what waits.
DROP INDEX limits.notices_open, limits.notices_user;
CREATE OR REPLACE VIEW limits.notice_list AS
SELECT n.notice_id, n.entry_id, n.review_id, n.user_id, n.kind, n.as_of, n.due_on, n.created_at, n.draft, n.body,
       n.delivered_at, n.delivered_to, n.delivered_by, l.currency, c.exponent, l.limit_before_minor,
       l.limit_after_minor, l.proposed_minor, l.reason_bits, l.ceilings_minor, l.policy_hash,
       p.effective_on, p.state AS change_state,
       -- What the decision answers: a request, or a change that had waited for the user or its day.
       coalesce(q.amount_minor, w.proposed_minor) AS asked_minor, coalesce(w.kind, 'request') AS answers,
       w.as_of AS answered_as_of, w.limit_minor AS answered_from_minor
  FROM limits.notices n
  JOIN limits.reviews r ON r.review_id = n.review_id
  JOIN limits.adjustment_log l
    ON l.entry_id = n.entry_id AND l.as_of = n.as_of AND l.review_id = n.review_id AND l.user_id = n.user_id
  JOIN limits.currencies c ON c.currency = l.currency
  LEFT JOIN limits.pending_changes p ON p.entry_id = n.entry_id
  LEFT JOIN limits.limit_requests q ON q.request_id = r.request_id
  LEFT JOIN limits.pending_changes w ON w.change_id = r.change_id;

-- A message is known by the entry it is about; its own number is in what leaves, and looked up by nobody.
ALTER TABLE limits.outbox DROP CONSTRAINT outbox_pkey, DROP CONSTRAINT outbox_entry_id_key, ADD PRIMARY KEY (entry_id);
DROP FUNCTION limits.deliver_outbox(bigint);
CREATE FUNCTION limits.deliver_outbox(p_entry bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    UPDATE limits.outbox SET delivered_at = clock_timestamp() WHERE entry_id = p_entry AND delivered_at IS NULL;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION limits.deliver_outbox FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.deliver_outbox TO limits_worker, limits_operations;

-- Ids of thousands of users: compressing them costs more than their room.
ALTER TABLE limits.shards ALTER COLUMN user_ids SET STORAGE EXTERNAL;

-- One row per transaction that applied decisions. root: sha256 of the decisions as they were handed over.
CREATE TABLE limits.batches (
    batch_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id   bigint NOT NULL REFERENCES limits.reviews,
    shard       integer NOT NULL,
    token       bigint NOT NULL,
    users       integer NOT NULL,
    delta_minor bigint NOT NULL,               -- sum of limit after less limit before
    root        bytea NOT NULL CHECK (length(root) = 32),
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX batches_review ON limits.batches (review_id, shard);

-- What a decision says ------------------------------------------------------------------

-- What a decision says of itself; what is the same for all of a review is not repeated.
CREATE TYPE limits.decision_row AS (
    user_id              bigint,
    limit_before_minor   bigint,
    limit_after_minor    bigint,
    version_before       bigint,
    binding              smallint,
    reason_bits          bigint,
    ceilings_minor       bigint[],
    lowest_ceiling_minor bigint,
    floor_minor          bigint,
    capacity_p10_minor   bigint,
    capacity_p50_minor   bigint,
    capacity_p90_minor   bigint,
    capacity_method      smallint,
    months_observed      smallint,
    disposition          smallint,
    proposed_minor       bigint,
    effective_on         date,
    notice               smallint,
    notice_due_on        date
);

DROP FUNCTION limits.apply_decisions(bigint, integer, bigint, text);
DROP FUNCTION limits.notice_kind(smallint);   -- a call for each notice costs more than the notice
DROP TABLE limits.decision_stage;

-- Whether what a decision says of itself adds up. Whoever hands decisions in is trusted to compute
-- them, not to contradict them. NULL where something is missing that must be there.
CREATE FUNCTION limits.adds_up(d limits.decision_row, p_day date, p_carries_out boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_ndims(d.ceilings_minor) = 1 AND array_lower(d.ceilings_minor, 1) = 1 AND d.binding >= 0
       AND d.lowest_ceiling_minor = d.ceilings_minor[d.binding + 1]
       -- No amount that the product lets in anywhere, no bits and methods that it does not know.
       AND greatest(d.limit_after_minor, d.proposed_minor) <= 1000000000000000
       AND d.reason_bits >= 0 AND d.capacity_method BETWEEN 0 AND 6 AND d.months_observed BETWEEN 0 AND 1200
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

-- Users move on: what was decided so long ago, or nobody knows when, is not let through any more.
CREATE FUNCTION limits.too_old(p_decided timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(p_decided < clock_timestamp() - interval '24 hours', true)
$$;
CREATE FUNCTION limits.too_old_in_words(p_review bigint, p_decided timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('review %s was decided at %s, more than 24 hours ago; cancel it and review a later date', p_review,
                  coalesce(date_trunc('second', p_decided)::text, 'an unknown time'))
$$;

-- Applying ----------------------------------------------------------------------------------

-- The one way to change a limit. Takes decisions about users of one shard, checks the kill switch,
-- the review's state and stage, the lease (fencing), the policy's approval, and under row locks taken
-- in user order what each decision was made on; then changes limits, log, outbox, waiting changes
-- and notices together. Returns the users for whom the decision is out of date (stale): nothing was
-- done for them.
CREATE FUNCTION limits.apply_decisions(p_review bigint, p_shard integer, p_token bigint, p_code_version text,
                                       p_currency char(3), p_input_digest bytea, p_root bytea,
                                       p_rows limits.decision_row[])
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
    SELECT s.user_ids, s.decided_at INTO v_users, v_decided FROM limits.shards s
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
    SELECT count(*) AS given,
           count(*) FILTER (WHERE p.user_id IS NOT NULL
                              AND limits.adds_up(d, v_day, v_review.change_id IS NOT NULL)
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
    RETURN QUERY SELECT unnest(v_stale);

    -- What this review carries out or answers, by what it decided. Before a new change may open.
    IF v_review.kind = 'recompute' AND v_stale = '{}' THEN
        PERFORM limits.end_answered(p_rows[1], v_review);
    END IF;

    WITH logged AS (
        INSERT INTO limits.adjustment_log AS l (
            review_id, shard, user_id, as_of, currency, limit_before_minor, limit_after_minor,
            version_before, version_after, action, binding, reason_bits, ceilings_minor,
            lowest_ceiling_minor, floor_minor, capacity_p10_minor, capacity_p50_minor, capacity_p90_minor,
            capacity_method, months_observed, policy_hash, input_digest, code_version, actor,
            disposition, proposed_minor)
        SELECT p_review, p_shard, d.user_id, v_day, p_currency, d.limit_before_minor, d.limit_after_minor,
               d.version_before, d.version_before + (d.limit_after_minor <> d.limit_before_minor)::int,
               CASE WHEN d.limit_after_minor > d.limit_before_minor THEN 1
                    WHEN d.limit_after_minor < d.limit_before_minor THEN -1 ELSE 0 END,
               d.binding, d.reason_bits, d.ceilings_minor, d.lowest_ceiling_minor, d.floor_minor,
               d.capacity_p10_minor, d.capacity_p50_minor, d.capacity_p90_minor, d.capacity_method,
               d.months_observed, v_review.policy_hash, p_input_digest, p_code_version, v_review.actor,
               d.disposition, d.proposed_minor
          FROM unnest(p_rows) d
         WHERE d.user_id <> ALL (v_stale)
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
    ), batched AS (
        INSERT INTO limits.batches (review_id, shard, token, users, delta_minor, root)
        SELECT p_review, p_shard, p_token, count(*), sum(limit_after_minor - limit_before_minor), p_root
          FROM logged
        HAVING count(*) > 0
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
    IF v_review.kind = 'recompute' AND v_stale = '{}' THEN
        INSERT INTO limits.decided_meanwhile (review_id, user_id, by_review)
        SELECT r.review_id, p_rows[1].user_id, p_review
          FROM limits.reviews r JOIN limits.shards s ON s.review_id = r.review_id
         WHERE r.kind = 'scheduled' AND r.state IN ('running', 'held') AND s.state <> 'done'
           AND p_rows[1].user_id BETWEEN s.user_from AND s.user_to;
        PERFORM limits.end_recompute(p_review);
    END IF;
END $$;

-- Who may -------------------------------------------------------------------------------

-- Reviews of a schedule are the workers' alone: what a person does with one is a function of the owner (0018), and
-- so is the review of one user (0019).
REVOKE EXECUTE ON FUNCTION limits.adds_up, limits.too_old, limits.too_old_in_words, limits.apply_decisions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.apply_decisions TO limits_worker, limits_operations;
REVOKE INSERT ON limits.reviews FROM limits_worker, limits_operations;
GRANT INSERT (kind, schedule, business_date, policy_hash, actor) ON limits.reviews TO limits_worker, limits_operations;
REVOKE INSERT ON limits.shards, limits.review_exceptions FROM limits_operations;
REVOKE UPDATE (state, users_total, users_raised, users_held, users_lowered, users_quarantined, users_skipped,
               exposure_before_minor, exposure_after_minor, error, started_at, finished_at)
    ON limits.reviews FROM limits_operations;
REVOKE UPDATE (state, token, leased_by, leased_until, attempts, error, finished_at)
    ON limits.shards FROM limits_operations;
GRANT SELECT ON limits.shard_parts, limits.shard_shadows, limits.decided_meanwhile, limits.kill_switch, limits.batches
    TO limits_worker, limits_operations;
GRANT SELECT ON limits.kill_switch, limits.batches TO limits_auditor;
GRANT INSERT, DELETE ON limits.shard_parts, limits.shard_shadows TO limits_worker;
GRANT DELETE ON limits.decided_meanwhile TO limits_worker;
GRANT UPDATE (stage, snapshot_digest, tally, leased_at, decided_at, decided_by) ON limits.shards TO limits_worker;

RESET ROLE;
