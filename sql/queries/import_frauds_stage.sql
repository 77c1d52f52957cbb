-- Where the lines of a file of frauds are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, confirmed_on text, withdrawn_on text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, confirmed_on date, withdrawn_on date, source_id text, digest bytea
) ON COMMIT DROP
