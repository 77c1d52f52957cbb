-- Where the lines of a file of users are staged as text, and where they stand once they are judged.
CREATE TEMP TABLE import_stage (
    line bigint NOT NULL, raw text NOT NULL, digest bytea, reason text, detail text,
    user_id text, effective_on text, status text, segment text, industry text, currency text, jurisdiction text,
    opened_on text, observed_from text, observed_through text, identity_status text, identity_checked_on text,
    income_status text, income_verified_on text, raise_consent text, credit_limit text
) ON COMMIT DROP;
CREATE TEMP TABLE import_checked (
    line bigint NOT NULL, fault text[], known boolean NOT NULL,
    founds boolean, user_id bigint, effective_on date, status text, segment text, industry text, currency text,
    jurisdiction text, opened_on date, observed_from date, observed_through date, identity_status text,
    identity_checked_on date, income_status text, income_verified_on date, raise_consent boolean, limit_minor bigint,
    digest bytea
) ON COMMIT DROP
