-- depends: 0039_renewed_within_breakers
-- Imports that could meet take turns by a row, which only who may import can lock. It was an advisory lock, which anybody
-- who may connect could take and keep: nothing would be imported any more.

SET LOCAL ROLE limits_owner;

-- A row for each kind and source that was ever imported; of users, who are told apart without the source, one.
CREATE TABLE limits.import_turns (
    kind   text NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (kind, source)
);
GRANT SELECT, INSERT, UPDATE (kind) ON limits.import_turns TO limits_operations;

RESET ROLE;
