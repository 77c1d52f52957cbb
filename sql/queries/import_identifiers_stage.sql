-- Where the lines of a file of identifiers are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, kind text, value_sha256 text, seen_on text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, kind text, value_sha256 text, seen_on date, source_id text, digest bytea
) ON COMMIT DROP
