-- Judges the staged statements: the first fault of each, or whether it is known already.
INSERT INTO pg_temp.import_checked (
    line, fault, known, user_id, statement_on, due_on, balance_minor, amount_due_minor, minimum_due_minor, days_past_due,
    source_id, digest)
WITH read AS MATERIALIZED (
    SELECT s.line, s.source_id, s.user_id, s.statement_on, s.due_on, s.balance, s.amount_due, s.minimum_due,
           s.currency, s.days_past_due,
           limits.read_id(s.user_id) AS id, u.user_id AS found, u.currency::text AS user_currency,
           u.opened_on, c.exponent::integer AS exponent,
           limits.read_date(s.statement_on) AS made,
           limits.read_date(s.due_on) AS due,
           limits.read_minor(s.balance, c.exponent) AS balance_minor,
           limits.read_minor(s.amount_due, c.exponent) AS due_minor,
           limits.read_minor(s.minimum_due, c.exponent) AS minimum_minor
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
      LEFT JOIN limits.currencies c ON c.currency::text = s.currency
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(
                   ARRAY['source_id', 'user_id', 'statement_on', 'due_on', 'balance', 'amount_due', 'minimum_due',
                         'currency'],
                   ARRAY[source_id, user_id, statement_on, due_on, balance, amount_due, minimum_due, currency]),
               limits.id_fault(user_id, id),
               limits.currency_fault(currency, exponent),
               -- The balance may be negative: the lender owes the user.
               limits.amount_fault('balance', balance, exponent, balance_minor, NULL, %(largest)s),
               limits.amount_fault('amount_due', amount_due, exponent, due_minor, 0, %(largest)s),
               limits.amount_fault('minimum_due', minimum_due, exponent, minimum_minor, 0, %(largest)s),
               limits.user_fault(user_id, currency, found, user_currency),
               limits.date_fault('statement_on', statement_on, made, opened_on, %(today)s),
               -- Due after today is what a new statement is; a year bounds it.
               limits.date_fault('due_on', due_on, due, NULL, NULL),
               CASE WHEN due < made OR due > made + 366 THEN
                   ARRAY['dates_out_of_order', format('due_on %%s must be on statement_on %%s or up to 366 days later',
                                                      limits.shown(due_on), limits.shown(statement_on))] END,
               CASE WHEN minimum_minor > due_minor THEN
                   ARRAY['minimum_above_due', format('minimum_due %%s is more than amount_due %%s',
                                                     limits.shown(minimum_due), limits.shown(amount_due))] END,
               -- Empty: the lender's system does not report it.
               CASE WHEN days_past_due <> '' THEN coalesce(
                   limits.count_fault('days_past_due', days_past_due),
                   CASE WHEN days_past_due::integer > 3650 THEN
                       ARRAY['number_too_large', format('days_past_due %%s is larger than 3650',
                                                        limits.shown(days_past_due))] END) END
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    SELECT line, found AS user_id, made, due, balance_minor::bigint AS balance_minor, due_minor::bigint AS due_minor,
           minimum_minor::bigint AS minimum_minor, nullif(days_past_due, '')::integer AS late, source_id,
           -- Where nothing is reported it is as from before anything could be.
           CASE days_past_due
               WHEN '' THEN limits.row_digest(found::text, to_char(made, 'YYYY-MM-DD'), to_char(due, 'YYYY-MM-DD'),
                                              balance_minor::text, due_minor::text, minimum_minor::text, currency)
               ELSE limits.row_digest(found::text, to_char(made, 'YYYY-MM-DD'), to_char(due, 'YYYY-MM-DD'),
                                      balance_minor::text, due_minor::text, minimum_minor::text, currency,
                                      days_past_due::integer::text) END AS digest
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
       p.user_id, p.made, p.due, p.balance_minor, p.due_minor, p.minimum_minor, p.late, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.statements k ON k.source = %(source)s AND k.source_id = p.source_id
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
