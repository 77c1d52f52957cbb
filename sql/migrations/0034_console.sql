-- depends: 0033_risk_mends
-- What the web console and the API keep for themselves: who is signed in, tokens of machines, keys of writes. In a schema
-- of its own and for a role of its own, which reads and writes nothing else: whoever breaks into what speaks HTTP and finds
-- only this login learns no limit. Secrets are kept as sha256 of 256 random bits, so that nothing here signs anybody in.
-- Rows that are over are deleted by whoever writes the next; nothing here is needed to check a decision.

DO $do$
BEGIN
    BEGIN
        CREATE ROLE limits_console NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;   -- made by another database, or by another process just now
    END;
    BEGIN
        GRANT limits_console TO CURRENT_USER;
    EXCEPTION WHEN unique_violation THEN
        NULL;
    END;
END $do$;

CREATE SCHEMA limits_console AUTHORIZATION limits_owner;

SET LOCAL ROLE limits_owner;

-- A person who signed in. how: by a one-time link, or the address of the identity provider.
CREATE TABLE limits_console.sessions (
    session_hash bytea PRIMARY KEY CHECK (length(session_hash) = 32),
    actor        text NOT NULL CHECK (limits.person(actor) <> '' AND length(actor) <= 500),
    roles        text[] NOT NULL,
    how          text NOT NULL CHECK (how <> ''),
    csrf         text NOT NULL CHECK (length(csrf) >= 40),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    idle_at      timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL
);
CREATE INDEX sessions_ends ON limits_console.sessions (ends_at);

-- A link that signs in once. The row stays until it would have been over, so that a second use is known as one.
CREATE TABLE limits_console.links (
    link_hash bytea PRIMARY KEY CHECK (length(link_hash) = 32),
    actor     text NOT NULL CHECK (limits.person(actor) <> '' AND length(actor) <= 500),
    roles     text[] NOT NULL,
    ends_at   timestamptz NOT NULL,
    used_at   timestamptz
);

-- Somebody who was sent to the identity provider and has not come back.
CREATE TABLE limits_console.sign_ins (
    state_hash bytea PRIMARY KEY CHECK (length(state_hash) = 32),
    verifier   text NOT NULL,
    nonce      text NOT NULL,
    ends_at    timestamptz NOT NULL
);

-- A machine's token. Who made it stands beside it; it is over at a date, or when it is revoked, and the row stays.
CREATE TABLE limits_console.tokens (
    token_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    name       text NOT NULL UNIQUE CHECK (limits.person(name) <> '' AND length(name) <= 100),
    scopes     text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_by text NOT NULL CHECK (limits.person(created_by) <> ''),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at    timestamptz NOT NULL CHECK (isfinite(ends_at)),
    used_at    timestamptz,
    revoked_by text,
    revoked_at timestamptz,
    CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);

-- The primary key IS the guarantee that of two requests with one key only one is carried out. answer: NULL until it is.
CREATE TABLE limits_console.keys (
    actor    text NOT NULL,
    key      text NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    digest   bytea NOT NULL CHECK (length(digest) = 32),
    answer   jsonb,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (actor, key)
);
CREATE INDEX keys_began ON limits_console.keys (began_at);

GRANT USAGE ON SCHEMA limits_console TO limits_console;
GRANT SELECT, INSERT, DELETE ON limits_console.sessions, limits_console.links, limits_console.sign_ins, limits_console.keys
    TO limits_console;
GRANT UPDATE (idle_at) ON limits_console.sessions TO limits_console;
GRANT UPDATE (used_at) ON limits_console.links TO limits_console;
GRANT UPDATE (answer) ON limits_console.keys TO limits_console;
GRANT SELECT, INSERT (token_hash, name, scopes, created_by, ends_at), UPDATE (used_at, revoked_by, revoked_at)
    ON limits_console.tokens TO limits_console;
-- limits.person, which the checks of names call.
GRANT USAGE ON SCHEMA limits TO limits_console;
GRANT EXECUTE ON FUNCTION limits.person TO limits_console;

RESET ROLE;
