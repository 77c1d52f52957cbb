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
    root      bytea NOT NULL CHECK (length(root) = 32),   -- sha256 of the rows
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

-- One row per transaction that applied decisions. root: of a tree over their entries, see 0021.
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
    notice_due_on        date,
    consent              smallint,             -- 1 raises wanted, 2 raises not wanted, 4 a person decides; sums
    entry                bytea                 -- all this as the log keeps it, see 0021
);

DROP FUNCTION limits.apply_decisions(bigint, integer, bigint, text);   -- made anew in 0021
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
       AND d.reason_bits >= 0 AND d.consent BETWEEN 0 AND 7 AND d.capacity_method BETWEEN 0 AND 6 AND d.months_observed BETWEEN 0 AND 1200
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

-- Who may -------------------------------------------------------------------------------

-- Reviews of a schedule are the workers' alone: what a person does with one is a function of the owner (0018), and
-- so is the review of one user (0019).
REVOKE EXECUTE ON FUNCTION limits.adds_up, limits.too_old, limits.too_old_in_words FROM PUBLIC;
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
