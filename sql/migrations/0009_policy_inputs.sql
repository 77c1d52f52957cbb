-- depends: 0004_imports 0005_cash_flow 0006_queue 0008_log_entries
-- What a policy looks at beside the money: documents, consent, shared identifiers, confirmed
-- fraud, requests, overrides; and where a change waits that may not take effect at once.

SET LOCAL ROLE limits_owner;

-- What sources say -----------------------------------------------------------------------

-- The state of a user's documents from a day on: the newest row on or before a date counts.
CREATE TABLE limits.documents (
    user_id     bigint NOT NULL REFERENCES limits.users,
    source      text NOT NULL,
    source_id   text NOT NULL,
    checked_on  date NOT NULL,
    status      text NOT NULL CHECK (status IN ('complete', 'missing')),
    valid_until date,                       -- NULL: does not expire
    digest      bytea NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX documents_user ON limits.documents (user_id, checked_on);

-- What a user agreed to, or took back, from a day on. raises: to be raised without asking for
-- it; automation: to be decided about without a person looking. Without a row the profile's
-- raise_consent counts, and automation is agreed to.
CREATE TABLE limits.consents (
    user_id     bigint NOT NULL REFERENCES limits.users,
    source      text NOT NULL,
    source_id   text NOT NULL,
    effective_on date NOT NULL,
    subject     text NOT NULL CHECK (subject IN ('raises', 'automation')),
    state       text NOT NULL CHECK (state IN ('given', 'withdrawn')),
    digest      bytea NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX consents_user ON limits.consents (user_id, subject, effective_on);

-- Devices, phones, addresses and bank cards that a user has used: never in the clear, only
-- the sha256 that the source makes of each with a secret of its own.
CREATE TABLE limits.identifiers (
    user_id     bigint NOT NULL REFERENCES limits.users,
    source      text NOT NULL,
    source_id   text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('device', 'phone', 'address', 'bank_card')),
    value_sha256 text NOT NULL CHECK (value_sha256 ~ '^[0-9a-f]{64}$'),
    seen_on     date NOT NULL,
    digest      bytea NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX identifiers_user ON limits.identifiers (user_id, seen_on);
CREATE INDEX identifiers_value ON limits.identifiers (kind, value_sha256);

-- Fraud that was confirmed, and taken back where that was wrong.
CREATE TABLE limits.frauds (
    user_id      bigint NOT NULL REFERENCES limits.users,
    source       text NOT NULL,
    source_id    text NOT NULL,
    confirmed_on date NOT NULL,
    withdrawn_on date CHECK (withdrawn_on >= confirmed_on),
    digest       bytea NOT NULL,
    ingested_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX frauds_user ON limits.frauds (user_id, confirmed_on);

-- What people decide ----------------------------------------------------------------------

-- A person looked at a user who was held for that, and found nothing against the user: links to
-- frauds confirmed on or before cleared_on no longer count.
CREATE TABLE limits.fraud_clearances (
    clearance_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES limits.users,
    cleared_on   date NOT NULL,
    actor        text NOT NULL CHECK (actor <> ''),
    reason       text NOT NULL CHECK (reason <> ''),
    session_role text NOT NULL DEFAULT session_user,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX fraud_clearances_user ON limits.fraud_clearances (user_id, cleared_on);

-- A user asked for an amount. Each is answered by one decision (a review of one user).
CREATE TABLE limits.limit_requests (
    request_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES limits.users,
    asked_on     date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     char(3) NOT NULL REFERENCES limits.currencies,
    -- The key below IS the guarantee that a second click asks nothing a second time.
    idempotency_key text NOT NULL UNIQUE,
    actor        text NOT NULL CHECK (actor <> ''),
    session_role text NOT NULL DEFAULT session_user,
    asked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    review_id    bigint REFERENCES limits.reviews,   -- the decision that answered it
    answer       text CHECK (answer IN ('granted', 'partly_granted', 'refused')),
    CHECK ((review_id IS NULL) = (answer IS NULL))
);
CREATE INDEX limit_requests_user ON limits.limit_requests (user_id, asked_on);

-- What a person sets for a user in place of the rules, for a time. hold: no raise, no cut; cap:
-- not above; floor: no cut below; set: both. Proposed by one person, approved by another.
CREATE TABLE limits.overrides (
    override_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES limits.users,
    kind         text NOT NULL CHECK (kind IN ('hold', 'cap', 'floor', 'set')),
    amount_minor bigint CHECK (amount_minor >= 0),
    currency     char(3) NOT NULL REFERENCES limits.currencies,
    reason       text NOT NULL CHECK (reason <> ''),
    starts_on    date NOT NULL,
    expires_on   date NOT NULL,              -- the first day on which it no longer counts
    state        text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'approved', 'rejected', 'ended')),
    maker        text NOT NULL CHECK (maker <> ''),
    maker_session text NOT NULL DEFAULT session_user,
    proposed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    checker      text,
    checker_session text,
    decided_at   timestamptz,
    decided_reason text NOT NULL DEFAULT '',
    ended_by     text,
    ended_on     date,
    CHECK (expires_on > starts_on AND expires_on <= starts_on + 366),
    CHECK ((kind = 'hold') = (amount_minor IS NULL)),
    -- Two different people. The functions that write here check the logins as well.
    CHECK (checker IS NULL OR lower(btrim(checker)) <> lower(btrim(maker))),
    CHECK ((state = 'proposed') = (checker IS NULL)),
    CHECK ((state = 'ended') = (ended_on IS NOT NULL))
);
CREATE INDEX overrides_user ON limits.overrides (user_id) WHERE state IN ('approved', 'ended');

-- Which policy may decide: proposed by one person, approved by another. One row per proposal.
CREATE TABLE limits.policy_approvals (
    approval_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    policy_hash  bytea NOT NULL REFERENCES limits.policies,
    role         text NOT NULL DEFAULT 'champion' CHECK (role IN ('champion', 'challenger')),
    state        text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    maker        text NOT NULL CHECK (maker <> ''),
    maker_session text NOT NULL DEFAULT session_user,
    proposed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason       text NOT NULL DEFAULT '',
    checker      text,
    checker_session text,
    decided_at   timestamptz,
    decided_reason text NOT NULL DEFAULT '',
    CHECK (checker IS NULL OR lower(btrim(checker)) <> lower(btrim(maker))),
    CHECK ((state = 'proposed') = (checker IS NULL))
);
-- One open or standing proposal for each policy and role.
CREATE UNIQUE INDEX policy_approvals_standing ON limits.policy_approvals (policy_hash, role)
    WHERE state IN ('proposed', 'approved');

-- Where a change waits ---------------------------------------------------------------------

-- The limit from which the newest cut was made: a limit comes back to it in steps.
ALTER TABLE limits.credit_lines ADD COLUMN limit_before_cut_minor bigint CHECK (limit_before_cut_minor >= 0);

-- How a decision takes effect. 0: at once (limit_after is the new limit); 1: offered, waits for
-- the user to accept; 2: announced, waits for its notice period to end. For 1 and 2 limit_after
-- is the limit before, and proposed_minor what was offered or announced.
ALTER TABLE limits.adjustment_log
    ADD COLUMN disposition smallint NOT NULL DEFAULT 0 CHECK (disposition BETWEEN 0 AND 2),
    ADD COLUMN proposed_minor bigint CHECK (proposed_minor >= 0),
    ADD CHECK ((disposition = 0) = (proposed_minor IS NULL)),
    ADD CHECK (disposition = 0 OR action = 0),
    -- I5 for what is not yet the limit.
    ADD CHECK (proposed_minor IS NULL OR proposed_minor <= greatest(lowest_ceiling_minor, limit_before_minor));
ALTER TABLE limits.decision_stage
    ADD COLUMN disposition smallint NOT NULL DEFAULT 0,
    ADD COLUMN proposed_minor bigint,
    ADD COLUMN effective_on date,           -- offered: last day to accept; announced: day it takes effect
    ADD COLUMN notice smallint NOT NULL DEFAULT 0,   -- limits.notices.kind as a number, 0 for none
    ADD COLUMN notice_due_on date;

-- An offered or announced change, until it is applied or comes to nothing.
CREATE TABLE limits.pending_changes (
    change_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id       bigint NOT NULL UNIQUE,       -- the decision it came from
    review_id      bigint NOT NULL REFERENCES limits.reviews,
    user_id        bigint NOT NULL REFERENCES limits.users,
    kind           text NOT NULL CHECK (kind IN ('offer', 'announced')),
    as_of          date NOT NULL,
    currency       char(3) NOT NULL,
    limit_minor    bigint NOT NULL,              -- when it was decided
    proposed_minor bigint NOT NULL CHECK (proposed_minor >= 0 AND proposed_minor <> limit_minor),
    effective_on   date NOT NULL CHECK (effective_on >= as_of),
    state          text NOT NULL DEFAULT 'open'
                   CHECK (state IN ('open', 'applied', 'declined', 'expired', 'suppressed')),
    ended_at       timestamptz,
    ended_by       text,
    ended_reason   text NOT NULL DEFAULT '',
    applied_review_id bigint REFERENCES limits.reviews,   -- the decision that made it the limit
    CHECK ((state = 'open') = (ended_at IS NULL)),
    CHECK ((state = 'applied') = (applied_review_id IS NOT NULL))
);
-- This key IS the guarantee that nobody has two changes waiting.
CREATE UNIQUE INDEX pending_changes_open ON limits.pending_changes (user_id) WHERE state = 'open';
CREATE INDEX pending_changes_due ON limits.pending_changes (effective_on) WHERE state = 'open';

-- What a user has to be told, and by when. One for each decision at most.
CREATE TABLE limits.notices (
    notice_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id     bigint NOT NULL UNIQUE,
    review_id    bigint NOT NULL REFERENCES limits.reviews,
    user_id      bigint NOT NULL REFERENCES limits.users,
    kind         text NOT NULL CHECK (kind IN ('raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn')),
    as_of        date NOT NULL,
    due_on       date NOT NULL CHECK (due_on >= as_of),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    body         jsonb,                          -- the text as delivered, by language
    delivered_at timestamptz,
    delivered_to text,
    CHECK ((delivered_at IS NULL) = (body IS NULL))
);
CREATE INDEX notices_open ON limits.notices (due_on) WHERE delivered_at IS NULL;
CREATE INDEX notices_user ON limits.notices (user_id, as_of);

-- In the shadow ----------------------------------------------------------------------------

-- What a challenger policy would have decided on the same inputs. Never applied; append-only.
CREATE TABLE limits.challenger_log (
    review_id          bigint NOT NULL REFERENCES limits.reviews,
    user_id            bigint NOT NULL,
    policy_hash        bytea NOT NULL REFERENCES limits.policies,
    as_of              date NOT NULL,
    role               text NOT NULL DEFAULT 'challenger' CHECK (role = 'challenger'),
    currency           char(3) NOT NULL,
    limit_before_minor bigint NOT NULL,
    limit_after_minor  bigint NOT NULL,
    binding            smallint NOT NULL,
    reason_bits        bigint NOT NULL,
    lowest_ceiling_minor bigint NOT NULL,
    floor_minor        bigint NOT NULL,
    capacity_p10_minor bigint NOT NULL,
    capacity_p50_minor bigint NOT NULL,
    capacity_p90_minor bigint NOT NULL,
    capacity_method    smallint NOT NULL,
    input_digest       bytea NOT NULL CHECK (length(input_digest) = 32),
    code_version       text NOT NULL,
    decided_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (review_id, user_id, policy_hash)
);

-- Who may read; who may write is said by the migrations that bring the functions.
GRANT SELECT ON limits.documents, limits.consents, limits.identifiers, limits.frauds, limits.fraud_clearances,
    limits.limit_requests, limits.overrides, limits.policy_approvals, limits.pending_changes, limits.notices,
    limits.challenger_log TO limits_worker, limits_operations;
-- An import says what it read; when it came in and who was connected is said by the database alone.
GRANT INSERT (user_id, source, source_id, checked_on, status, valid_until, digest) ON limits.documents
    TO limits_operations;
GRANT INSERT (user_id, source, source_id, effective_on, subject, state, digest) ON limits.consents TO limits_operations;
GRANT INSERT (user_id, source, source_id, kind, value_sha256, seen_on, digest) ON limits.identifiers
    TO limits_operations;
GRANT INSERT (user_id, source, source_id, confirmed_on, withdrawn_on, digest) ON limits.frauds TO limits_operations;
GRANT INSERT (user_id, cleared_on, actor, reason) ON limits.fraud_clearances TO limits_operations;
GRANT INSERT (disposition, proposed_minor, effective_on, notice, notice_due_on) ON limits.decision_stage
    TO limits_worker, limits_operations;
GRANT SELECT ON limits.limit_requests, limits.overrides, limits.policy_approvals, limits.pending_changes,
    limits.notices, limits.challenger_log TO limits_auditor;

RESET ROLE;
