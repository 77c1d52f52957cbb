-- Where the lines of a file of consents are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, effective_on text, subject text, state text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, effective_on date, subject text, state text, source_id text, digest bytea
) ON COMMIT DROP
