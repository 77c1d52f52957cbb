-- depends: 0001_roles
-- The tables. Money is bigint minor units beside a currency; numeric is never used
-- for money at rest, because numeric 'NaN' passes CHECK (amount >= 0).
-- Dates that decide anything are business dates (UTC); *_at columns are instants.

SET LOCAL ROLE limits_owner;

CREATE TABLE limits.currencies (
    currency char(3) PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
    exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 4)
);
INSERT INTO limits.currencies VALUES
    ('AUD', 2), ('BHD', 3), ('BRL', 2), ('CAD', 2), ('CHF', 2), ('CNY', 2), ('CZK', 2), ('DKK', 2),
    ('EUR', 2), ('GBP', 2), ('HKD', 2), ('HUF', 2), ('IDR', 2), ('INR', 2), ('JPY', 0), ('KRW', 0),
    ('KWD', 3), ('MXN', 2), ('MYR', 2), ('NOK', 2), ('NZD', 2), ('PHP', 2), ('PLN', 2), ('SEK', 2),
    ('SGD', 2), ('THB', 2), ('TWD', 2), ('USD', 2), ('VND', 0), ('ZAR', 2);

-- Who -------------------------------------------------------------------------------

CREATE TABLE limits.users (
    user_id     bigint PRIMARY KEY CHECK (user_id > 0),
    currency    char(3) NOT NULL REFERENCES limits.currencies,
    opened_on   date NOT NULL,
    source      text NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now()
);

-- What was known of a user from a date on. A later state is a new row, never an edit:
-- a review as of a date reads the latest row with effective_on <= as_of.
CREATE TABLE limits.user_profiles (
    user_id             bigint NOT NULL REFERENCES limits.users,
    effective_on        date NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'blocked', 'closed')),
    segment             text NOT NULL DEFAULT '',
    industry            text NOT NULL DEFAULT '',
    jurisdiction        text NOT NULL DEFAULT '',
    -- Months wholly inside [observed_from, observed_through] are observed even when
    -- nothing happened in them: that is what makes a zero a zero and not a gap.
    observed_from       date,
    observed_through    date,
    identity_status     text NOT NULL DEFAULT 'unverified'
                        CHECK (identity_status IN ('unverified', 'verified', 'mismatch')),
    identity_checked_on date,
    income_status       text NOT NULL DEFAULT 'unverified'
                        CHECK (income_status IN ('unverified', 'verified', 'false')),
    income_verified_on  date,
    raise_consent       boolean NOT NULL DEFAULT false,
    source              text NOT NULL,
    digest              bytea NOT NULL,
    ingested_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, effective_on),
    CHECK (observed_from <= observed_through)
);

-- The limit itself. fillfactor 70 keeps limit updates in place (HOT).
-- version counts the logged changes of this limit (invariant I1).
CREATE TABLE limits.credit_lines (
    user_id             bigint PRIMARY KEY REFERENCES limits.users,
    currency            char(3) NOT NULL,
    limit_minor         bigint NOT NULL CHECK (limit_minor >= 0),
    opening_limit_minor bigint NOT NULL CHECK (opening_limit_minor >= 0),
    version             bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    last_raise_on       date,
    last_cut_on         date,
    opened_on           date NOT NULL
) WITH (fillfactor = 70);

-- What happened ------------------------------------------------------------------------

-- Cash events. Partitioned by month of occurred_at; partitions are made on demand.
CREATE TABLE limits.events (
    user_id      bigint NOT NULL,
    occurred_at  timestamptz NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('income', 'essential', 'discretionary', 'fee', 'penalty', 'obligation')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    source       text NOT NULL,
    source_id    text NOT NULL,
    ingested_at  timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (occurred_at);
CREATE INDEX events_user ON limits.events (user_id, occurred_at);

-- The primary key below IS the guarantee that an event is never counted twice: a unique
-- index on the partitioned table could not span partitions.
CREATE TABLE limits.event_keys (
    source    text NOT NULL,
    source_id text NOT NULL,
    digest    bytea NOT NULL,
    PRIMARY KEY (source, source_id)
);

CREATE TABLE limits.statements (
    user_id           bigint NOT NULL REFERENCES limits.users,
    source            text NOT NULL,
    source_id         text NOT NULL,
    statement_on      date NOT NULL,
    due_on            date NOT NULL CHECK (due_on >= statement_on),
    balance_minor     bigint NOT NULL,          -- may be negative: the lender owes the user
    amount_due_minor  bigint NOT NULL CHECK (amount_due_minor >= 0),
    minimum_due_minor bigint NOT NULL CHECK (minimum_due_minor BETWEEN 0 AND amount_due_minor),
    digest            bytea NOT NULL,
    ingested_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX statements_user ON limits.statements (user_id, statement_on);

CREATE TABLE limits.repayments (
    user_id      bigint NOT NULL REFERENCES limits.users,
    source       text NOT NULL,
    source_id    text NOT NULL,
    paid_on      date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    digest       bytea NOT NULL,
    ingested_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX repayments_user ON limits.repayments (user_id, paid_on);

CREATE TABLE limits.credit_checks (
    user_id                       bigint NOT NULL REFERENCES limits.users,
    source                        text NOT NULL,
    source_id                     text NOT NULL,
    checked_on                    date NOT NULL,
    active_lenders                integer NOT NULL CHECK (active_lenders >= 0),
    outside_debt_minor            bigint NOT NULL CHECK (outside_debt_minor >= 0),
    outside_monthly_payment_minor bigint NOT NULL CHECK (outside_monthly_payment_minor >= 0),
    inquiries                     integer NOT NULL CHECK (inquiries >= 0),   -- in the 90 days before checked_on
    digest                        bytea NOT NULL,
    ingested_at                   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, source_id)
);
CREATE INDEX credit_checks_user ON limits.credit_checks (user_id, checked_on);

-- Imports -------------------------------------------------------------------------------

CREATE TABLE limits.imports (
    import_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    source      text NOT NULL,
    file_name   text NOT NULL,
    file_sha256 bytea NOT NULL,
    actor       text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    rows_total  bigint NOT NULL DEFAULT 0,
    rows_new    bigint NOT NULL DEFAULT 0,
    rows_known  bigint NOT NULL DEFAULT 0,
    rows_quarantined bigint NOT NULL DEFAULT 0,
    CHECK (finished_at IS NULL OR rows_total = rows_new + rows_known + rows_quarantined)
);

-- Rows that were not let in, with the reason. The unique key makes a second import of
-- the same file add nothing.
CREATE TABLE limits.quarantine (
    quarantine_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    import_id      bigint NOT NULL REFERENCES limits.imports,
    kind           text NOT NULL,
    source         text NOT NULL,
    file_name      text NOT NULL,
    line           bigint NOT NULL,
    reason         text NOT NULL,          -- stable code
    detail         text NOT NULL,          -- one sentence with the offending value
    raw            text NOT NULL,          -- the line, undecodable bytes escaped
    row_digest     bytea NOT NULL,         -- sha256 of the line's bytes
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, source, line, row_digest, reason)
);

-- Monthly cash flow -------------------------------------------------------------------

-- Derived, rebuilt for dirty months only. observed = false rows may exist (a month that
-- is partly covered): their amounts are what was seen, never a forecast input.
CREATE TABLE limits.monthly_cash_flow (
    user_id             bigint NOT NULL,
    month               date NOT NULL CHECK (extract(day FROM month) = 1),
    observed            boolean NOT NULL,
    inflow_minor        bigint NOT NULL,
    essential_minor     bigint NOT NULL,
    discretionary_minor bigint NOT NULL,
    fees_minor          bigint NOT NULL,
    penalties_minor     bigint NOT NULL,
    obligations_minor   bigint NOT NULL,
    amount_due_minor    bigint NOT NULL,      -- statements due in the month
    repaid_minor        bigint NOT NULL,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, month)
) WITH (fillfactor = 80);

-- Work list of the incremental refresh: append-only, so that an import never waits for
-- a refresh; duplicates are harmless.
CREATE TABLE limits.dirty_months (
    dirty_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id  bigint NOT NULL,
    month    date NOT NULL
);

-- Policy, schedules, reviews -----------------------------------------------------------

CREATE TABLE limits.policies (
    policy_hash  bytea PRIMARY KEY,
    pack         text NOT NULL,
    effective_on date NOT NULL,
    body         text NOT NULL,             -- the TOML file, byte for byte
    actor        text NOT NULL,
    stored_at    timestamptz NOT NULL DEFAULT now(),
    -- A text under another text's hash would decide in its name.
    CHECK (policy_hash = sha256(convert_to(body, 'UTF8')))
);

CREATE TABLE limits.schedules (
    schedule   text PRIMARY KEY,
    pack       text NOT NULL,
    run_at     time NOT NULL DEFAULT '02:00',
    time_zone  text NOT NULL DEFAULT 'UTC',
    paused     boolean NOT NULL DEFAULT false,
    starts_on  date NOT NULL DEFAULT current_date
);

CREATE TABLE limits.reviews (
    review_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('scheduled', 'recompute')),
    schedule      text CHECK ((kind = 'scheduled') = (schedule IS NOT NULL)),
    business_date date NOT NULL,            -- = as_of of every decision of the review
    state         text NOT NULL DEFAULT 'owed'
                  CHECK (state IN ('owed', 'running', 'done', 'failed', 'cancelled')),
    policy_hash   bytea NOT NULL REFERENCES limits.policies,
    actor         text NOT NULL,
    reason        text NOT NULL DEFAULT '', -- why, in the words of the person (recompute)
    idempotency_key text,
    users_total   bigint,                   -- users in the snapshot, known once planned
    users_raised  bigint,                   -- these seven: known once done, counted from the log
    users_held    bigint,
    users_lowered bigint,
    users_quarantined bigint,
    users_skipped bigint,
    exposure_before_minor bigint,
    exposure_after_minor  bigint,
    error         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    -- These two unique keys ARE the guarantees: one review per schedule and business
    -- date however many schedulers race; one recompute per key however often clicked.
    UNIQUE (schedule, business_date),
    UNIQUE (idempotency_key)
);
CREATE INDEX reviews_unfinished ON limits.reviews (business_date, review_id) WHERE state IN ('owed', 'running');

CREATE TABLE limits.shards (
    review_id     bigint NOT NULL REFERENCES limits.reviews,
    shard         integer NOT NULL,
    user_from     bigint NOT NULL,
    user_to       bigint NOT NULL,          -- inclusive
    -- Whom exactly the plan saw between the two. A range alone would let in users who
    -- are imported while the review runs (invariant I2).
    user_ids      bigint[] NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'leased', 'done', 'failed')),
    token         bigint NOT NULL DEFAULT 0,   -- fencing token: grows with each lease
    leased_by     text,
    leased_until  timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    users_total   bigint NOT NULL DEFAULT 0,
    users_raised  bigint NOT NULL DEFAULT 0,   -- these three: progress, kept by apply_decisions
    users_held    bigint NOT NULL DEFAULT 0,
    users_lowered bigint NOT NULL DEFAULT 0,
    error         text,
    finished_at   timestamptz,
    PRIMARY KEY (review_id, shard),
    CHECK (user_from <= user_to),
    CHECK (users_total = cardinality(user_ids))
);

-- Users of a review's snapshot that got no decision, and why (invariant I2).
CREATE TABLE limits.review_exceptions (
    review_id bigint NOT NULL REFERENCES limits.reviews,
    user_id   bigint NOT NULL,
    outcome   text NOT NULL CHECK (outcome IN ('quarantined', 'skipped')),
    reason    text NOT NULL,
    detail    text NOT NULL DEFAULT '',
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (review_id, user_id)
);

-- Heartbeats are rows, because remote control does not work on every broker.
CREATE TABLE limits.workers (
    worker       text PRIMARY KEY,          -- kind:host:pid
    kind         text NOT NULL CHECK (kind IN ('worker', 'scheduler')),
    host         text NOT NULL,
    pid          integer NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    doing        text NOT NULL DEFAULT ''
);

-- The adjustment log ------------------------------------------------------------------

-- One row per decision, holds too. Partitioned by month of as_of: because as_of is one
-- value per review, the primary key below IS the guarantee of one decision per
-- (review, user) although it must contain the partition key.
CREATE TABLE limits.adjustment_log (
    entry_id           bigint GENERATED BY DEFAULT AS IDENTITY,
    review_id          bigint NOT NULL,
    shard              integer NOT NULL,
    user_id            bigint NOT NULL,
    as_of              date NOT NULL,
    decided_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    currency           char(3) NOT NULL,
    limit_before_minor bigint NOT NULL CHECK (limit_before_minor >= 0),
    limit_after_minor  bigint NOT NULL CHECK (limit_after_minor >= 0),
    version_before     bigint NOT NULL,
    version_after      bigint NOT NULL,
    action             smallint NOT NULL,      -- -1 lowered, 0 held, 1 raised
    binding            smallint NOT NULL,      -- reason code number of the lowest ceiling
    reason_bits        bigint NOT NULL,        -- bit k set: reason code k stands in the reasons
    ceilings_minor     bigint[] NOT NULL,      -- subscript = reason code number + 1; NULL = no bound
    lowest_ceiling_minor bigint NOT NULL,
    floor_minor        bigint NOT NULL,
    capacity_p10_minor bigint NOT NULL,        -- monthly
    capacity_p50_minor bigint NOT NULL,
    capacity_p90_minor bigint NOT NULL,
    capacity_method    smallint NOT NULL,
    months_observed    smallint NOT NULL,
    policy_hash        bytea NOT NULL CHECK (length(policy_hash) = 32),
    input_digest       bytea NOT NULL CHECK (length(input_digest) = 32),
    code_version       text NOT NULL,
    actor              text NOT NULL,
    role               text NOT NULL DEFAULT 'champion' CHECK (role IN ('champion', 'challenger')),
    session_role       text NOT NULL DEFAULT session_user,   -- who was connected, whatever the actor says
    PRIMARY KEY (as_of, review_id, user_id),
    CHECK (action = sign(limit_after_minor - limit_before_minor)),
    CHECK (version_after = version_before + CASE WHEN action = 0 THEN 0 ELSE 1 END),
    -- I5: no raise above any ceiling.
    CHECK (action <= 0 OR limit_after_minor <= lowest_ceiling_minor)
) PARTITION BY RANGE (as_of);
CREATE INDEX adjustment_log_entry ON limits.adjustment_log (entry_id);
CREATE INDEX adjustment_log_user ON limits.adjustment_log (user_id, as_of);

-- Decisions on their way into the log: written by COPY, read and removed by
-- limits.apply_decisions in the same transaction, so no committed row is ever here.
-- The token is part of the key, so that a worker that stopped half way through a COPY
-- never makes the next holder of its lease wait; so is the transaction, which nobody may
-- name: rows that somebody else left here are never taken for the worker's own.
CREATE UNLOGGED TABLE limits.decision_stage (
    review_id          bigint NOT NULL,
    shard              integer NOT NULL,
    token              bigint NOT NULL,
    user_id            bigint NOT NULL,
    currency           char(3) NOT NULL,
    limit_before_minor bigint NOT NULL,
    limit_after_minor  bigint NOT NULL,
    version_before     bigint NOT NULL,
    binding            smallint NOT NULL,
    reason_bits        bigint NOT NULL,
    ceilings_minor     bigint[] NOT NULL,
    lowest_ceiling_minor bigint NOT NULL,
    floor_minor        bigint NOT NULL,
    capacity_p10_minor bigint NOT NULL,
    capacity_p50_minor bigint NOT NULL,
    capacity_p90_minor bigint NOT NULL,
    capacity_method    smallint NOT NULL,
    months_observed    smallint NOT NULL,
    input_digest       bytea NOT NULL,
    staged_in          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (review_id, shard, token, staged_in, user_id)
);

-- One message per changed limit, written in the transaction that changes it (I3).
CREATE TABLE limits.outbox (
    outbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id     bigint NOT NULL UNIQUE,
    review_id    bigint NOT NULL,
    user_id      bigint NOT NULL,
    as_of        date NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('limit_raised', 'limit_lowered')),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz
);
CREATE INDEX outbox_undelivered ON limits.outbox (outbox_id) WHERE delivered_at IS NULL;

RESET ROLE;
