-- Where the lines of a file of events are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, occurred_at text, kind text, amount text, currency text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, occurred_at timestamptz, kind text, amount_minor bigint, source_id text, digest bytea
) ON COMMIT DROP
