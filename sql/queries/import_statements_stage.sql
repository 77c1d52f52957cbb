-- Where the lines of a file of statements are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, statement_on text, due_on text, balance text, amount_due text, minimum_due text,
    currency text, days_past_due text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, statement_on date, due_on date, balance_minor bigint, amount_due_minor bigint,
    minimum_due_minor bigint, days_past_due integer, source_id text, digest bytea
) ON COMMIT DROP
