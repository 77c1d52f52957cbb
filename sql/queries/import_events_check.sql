-- Judges the staged events: the first fault of each, or whether it is known already.
INSERT INTO pg_temp.import_checked (line, fault, known, user_id, occurred_at, kind, amount_minor, source_id, digest)
WITH read AS MATERIALIZED (
    -- Text becomes values; what cannot be read becomes NULL.
    SELECT s.line, s.source_id, s.user_id, s.occurred_at, s.kind, s.amount, s.currency,
           limits.read_id(s.user_id) AS id, u.user_id AS found, u.currency::text AS user_currency,
           u.opened_on, c.exponent::integer AS exponent,
           limits.read_instant(s.occurred_at) AS instant,
           limits.read_minor(s.amount, c.exponent) AS minor
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
      LEFT JOIN limits.currencies c ON c.currency::text = s.currency
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(
                   ARRAY['source_id', 'user_id', 'occurred_at', 'kind', 'amount', 'currency'],
                   ARRAY[source_id, user_id, occurred_at, kind, amount, currency]),
               limits.id_fault(user_id, id),
               limits.choice_fault('kind', kind, 'unknown_kind',
                   ARRAY['income', 'essential', 'discretionary', 'fee', 'penalty', 'obligation']),
               CASE WHEN instant IS NULL THEN
                   ARRAY['not_an_instant', format('occurred_at %%s is not an instant with its zone, such as '
                                                  '2026-03-31T09:30:00Z', limits.shown(occurred_at))] END,
               limits.currency_fault(currency, exponent),
               limits.amount_fault('amount', amount, exponent, minor, 1, %(largest)s),
               limits.user_fault(user_id, currency, found, user_currency),
               limits.day_fault('occurred_at', occurred_at, (instant AT TIME ZONE 'UTC')::date, opened_on, %(today)s)
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    -- The content is what the values say: 10.0 and 10.00, or one instant in two zones, are the same.
    SELECT line, found AS user_id, instant, kind, minor::bigint AS minor, source_id,
           limits.row_digest(found::text, to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), kind,
                             minor::text, currency) AS digest
      FROM judged
     WHERE fault IS NULL
), placed AS (
    SELECT g.*, first_value(digest) OVER same AS first_digest, first_value(line) OVER same AS first_line
      FROM good g
    WINDOW same AS (PARTITION BY source_id ORDER BY line)
)
SELECT p.line,
       CASE WHEN p.digest <> coalesce(k.digest, p.first_digest)
            THEN limits.duplicate_fault('source_id ' || limits.shown(p.source_id),
                                        CASE WHEN k.digest IS NULL THEN p.first_line END) END,
       k.digest IS NOT NULL OR p.line <> p.first_line,
       p.user_id, p.instant, p.kind, p.minor, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.event_keys k ON k.source = %(source)s AND k.source_id = p.source_id
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
