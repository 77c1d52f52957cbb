-- depends: 0012_pending_changes 0013_notices
-- Schedules get a business-date calendar and say what becomes of dates that were missed.

SET LOCAL ROLE limits_owner;

-- latest is what schedules did before: of the dates missed only the newest is reviewed.
ALTER TABLE limits.schedules
    ADD COLUMN calendar text NOT NULL DEFAULT 'every_day' CHECK (calendar IN ('every_day', 'weekdays', 'month_end')),
    ADD COLUMN holidays date[] NOT NULL DEFAULT '{}' CHECK (array_position(holidays, NULL) IS NULL),
    ADD COLUMN catch_up text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('all', 'latest'));

-- Dates of a schedule that get no review, and why. A date is settled once it stands here or has a
-- review: nothing that was due is ever dropped without a row.
CREATE TABLE limits.passed_dates (
    schedule      text NOT NULL REFERENCES limits.schedules,
    business_date date NOT NULL,
    -- latest: the schedule catches up with the newest date only; later_review: a later date's review
    -- had begun; no_policy: on that date no policy was in force that may decide, later there was.
    reason        text NOT NULL CHECK (reason IN ('latest', 'later_review', 'no_policy')),
    detail        text NOT NULL,
    actor         text NOT NULL,
    passed_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schedule, business_date)
);

GRANT SELECT ON limits.passed_dates TO limits_worker, limits_operations, limits_auditor;
GRANT INSERT (schedule, business_date, reason, detail, actor) ON limits.passed_dates
    TO limits_worker, limits_operations;

RESET ROLE;
