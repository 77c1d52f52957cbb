-- Judges the staged states of users: the first fault of each, or whether it is known already.
--
-- A row is a whole state from its date on, not a patch: an empty field means that nothing is
-- known. The first row of a new user that gives a credit limit founds the user and the credit
-- line. Later rows leave the limit out or repeat the opening limit; a limit is changed by
-- reviews only.
INSERT INTO pg_temp.import_checked (
    line, fault, known, founds, user_id, effective_on, status, segment, industry, currency, jurisdiction, opened_on,
    observed_from, observed_through, identity_status, identity_checked_on, income_status, income_verified_on,
    raise_consent, limit_minor, digest)
WITH read AS MATERIALIZED (
    SELECT s.*, c.exponent::integer AS exponent, limits.read_id(s.user_id) AS id,
           limits.read_date(s.effective_on) AS effective,
           limits.read_date(s.opened_on) AS opened,
           limits.read_date(s.observed_from) AS watched_from,
           limits.read_date(s.observed_through) AS watched_through,
           limits.read_date(s.identity_checked_on) AS identity_on,
           limits.read_date(s.income_verified_on) AS income_on,
           coalesce(nullif(s.identity_status, ''), 'unverified') AS identity,
           coalesce(nullif(s.income_status, ''), 'unverified') AS income,
           limits.read_minor(s.credit_limit, c.exponent) AS minor
      FROM pg_temp.import_stage s
      LEFT JOIN limits.currencies c ON c.currency::text = s.currency
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(
                   ARRAY['user_id', 'effective_on', 'status', 'currency', 'opened_on'],
                   ARRAY[user_id, effective_on, status, currency, opened_on]),
               limits.id_fault(user_id, id),
               limits.choice_fault('status', status, 'unknown_status', ARRAY['active', 'blocked', 'closed']),
               limits.choice_fault('identity_status', identity_status, 'unknown_status',
                                   ARRAY['', 'unverified', 'verified', 'mismatch']),
               limits.choice_fault('income_status', income_status, 'unknown_status',
                                   ARRAY['', 'unverified', 'verified', 'false']),
               limits.choice_fault('raise_consent', raise_consent, 'not_yes_or_no',
                                   ARRAY['', 'yes', 'no', 'true', 'false']),
               limits.currency_fault(currency, exponent),
               limits.date_fault('opened_on', opened_on, opened, NULL, %(today)s),
               limits.date_fault('effective_on', effective_on, effective, opened, %(today)s),
               limits.date_fault('observed_from', observed_from, watched_from, opened, %(today)s),
               limits.date_fault('observed_through', observed_through, watched_through, NULL, %(today)s),
               limits.date_fault('identity_checked_on', identity_checked_on, identity_on, NULL, %(today)s),
               limits.date_fault('income_verified_on', income_verified_on, income_on, NULL, %(today)s),
               CASE WHEN (observed_from = '') <> (observed_through = '') THEN
                   ARRAY['missing_field', 'observed_from and observed_through are given together or not at all'] END,
               CASE WHEN watched_from > watched_through THEN
                   ARRAY['dates_out_of_order', format('observed_from %%s is after observed_through %%s',
                                                      limits.shown(observed_from),
                                                      limits.shown(observed_through))] END,
               CASE WHEN credit_limit <> '' THEN
                   limits.amount_fault('credit_limit', credit_limit, exponent, minor, 0, %(largest)s) END
           ) AS fault
      FROM read r
), founders AS (
    SELECT DISTINCT ON (j.id) j.id, j.line, j.currency, j.opened, j.minor
      FROM judged j
     WHERE j.fault IS NULL AND j.credit_limit <> ''
       AND NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = j.id)
     ORDER BY j.id, j.line
), accounts AS (
    SELECT u.user_id AS id, u.currency::text AS currency, u.opened_on AS opened, l.opening_limit_minor AS minor,
           NULL::bigint AS founder
      FROM limits.users u
      LEFT JOIN limits.credit_lines l ON l.user_id = u.user_id
     WHERE u.user_id IN (SELECT id FROM judged)
    UNION ALL
    SELECT id, currency, opened, minor, line FROM founders
), agreed AS MATERIALIZED (
    -- What never changes of a user has to be what it was.
    SELECT j.*, coalesce(j.line = a.founder, false) AS founds, coalesce(j.fault, CASE
               WHEN a.id IS NULL THEN
                   ARRAY['missing_field', format('credit_limit is empty, and user %%s is new', j.id)]
               WHEN j.currency <> a.currency THEN
                   ARRAY['wrong_currency', format('currency %%s is not %%s, the currency of user %%s',
                                                  limits.shown(j.currency), a.currency, j.id)]
               WHEN j.opened <> a.opened THEN
                   ARRAY['opening_changed', format('opened_on %%s is not %%s, the day user %%s was opened',
                                                   limits.shown(j.opened_on), to_char(a.opened, 'YYYY-MM-DD'), j.id)]
               WHEN j.credit_limit <> '' AND j.minor IS DISTINCT FROM a.minor THEN
                   ARRAY['limit_changed', format('credit_limit %%s is not the opening limit of user %%s; only a review '
                                                 'changes a limit, so leave the field empty',
                                                 limits.shown(j.credit_limit), j.id)]
           END) AS agreed_fault
      FROM judged j
      LEFT JOIN accounts a ON a.id = j.id
), good AS MATERIALIZED (
    SELECT line, founds, id, effective, status, segment, industry, currency, jurisdiction, opened, watched_from,
           watched_through, identity, identity_on, income,
           income_on, raise_consent IN ('yes', 'true') AS consent,
           CASE WHEN founds THEN minor::bigint END AS minor,
           limits.row_digest(id::text, to_char(effective, 'YYYY-MM-DD'), status, segment, industry, jurisdiction,
                             to_char(watched_from, 'YYYY-MM-DD'), to_char(watched_through, 'YYYY-MM-DD'), identity,
                             identity_checked_on, income, income_verified_on,
                             CASE WHEN raise_consent IN ('yes', 'true') THEN 'yes' ELSE 'no' END) AS digest
      FROM agreed
     WHERE agreed_fault IS NULL
), placed AS (
    SELECT g.*, first_value(digest) OVER same AS first_digest, first_value(line) OVER same AS first_line
      FROM good g
    WINDOW same AS (PARTITION BY id, effective ORDER BY NOT founds, line)
)
SELECT p.line,
       CASE WHEN p.digest <> coalesce(k.digest, p.first_digest)
            THEN limits.duplicate_fault(format('user %%s effective_on %%s', p.id, to_char(p.effective, 'YYYY-MM-DD')),
                                        CASE WHEN k.digest IS NULL THEN p.first_line END) END,
       k.digest IS NOT NULL OR p.line <> p.first_line,
       p.founds, p.id, p.effective, p.status, p.segment, p.industry, p.currency, p.jurisdiction, p.opened,
       p.watched_from, p.watched_through, p.identity, p.identity_on, p.income, p.income_on, p.consent, p.minor, p.digest
  FROM placed p
  LEFT JOIN limits.user_profiles k ON k.user_id = p.id AND k.effective_on = p.effective
UNION ALL
SELECT line, agreed_fault, false, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL
  FROM agreed
 WHERE agreed_fault IS NOT NULL
