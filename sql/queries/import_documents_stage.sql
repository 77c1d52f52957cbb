-- Where the lines of a file of documents are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, checked_on text, status text, valid_until text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, checked_on date, status text, valid_until date, source_id text, digest bytea
) ON COMMIT DROP
