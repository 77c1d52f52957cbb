-- Where the lines of a file of credit checks are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    source_id text, user_id text, checked_on text, active_lenders text, outside_debt text,
    outside_monthly_payment text, inquiries text, currency text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    user_id bigint, checked_on date, active_lenders integer, outside_debt_minor bigint,
    outside_monthly_payment_minor bigint, inquiries integer, source_id text, digest bytea
) ON COMMIT DROP
