-- Judges the staged credit checks: the first fault of each, or whether it is known already.
INSERT INTO pg_temp.import_checked (
    line, fault, known, user_id, checked_on, active_lenders, outside_debt_minor, outside_monthly_payment_minor,
    inquiries, source_id, digest)
WITH read AS MATERIALIZED (
    SELECT s.line, s.source_id, s.user_id, s.checked_on, s.active_lenders, s.outside_debt,
           s.outside_monthly_payment, s.inquiries, s.currency,
           limits.read_id(s.user_id) AS id, u.user_id AS found, u.currency::text AS user_currency,
           c.exponent::integer AS exponent,
           limits.read_date(s.checked_on) AS checked,
           limits.read_minor(s.outside_debt, c.exponent) AS debt_minor,
           limits.read_minor(s.outside_monthly_payment, c.exponent) AS payment_minor
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
      LEFT JOIN limits.currencies c ON c.currency::text = s.currency
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(
                   ARRAY['source_id', 'user_id', 'checked_on', 'active_lenders', 'outside_debt',
                         'outside_monthly_payment', 'inquiries', 'currency'],
                   ARRAY[source_id, user_id, checked_on, active_lenders, outside_debt, outside_monthly_payment,
                         inquiries, currency]),
               limits.id_fault(user_id, id),
               limits.currency_fault(currency, exponent),
               limits.count_fault('active_lenders', active_lenders),
               limits.amount_fault('outside_debt', outside_debt, exponent, debt_minor, 0, %(largest)s),
               limits.amount_fault('outside_monthly_payment', outside_monthly_payment, exponent, payment_minor, 0,
                                   %(largest)s),
               limits.count_fault('inquiries', inquiries),
               limits.user_fault(user_id, currency, found, user_currency),
               -- The check that was made on the application is older than the account.
               limits.date_fault('checked_on', checked_on, checked, NULL, %(today)s)
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    SELECT line, found AS user_id, checked, active_lenders::integer AS lenders, debt_minor::bigint AS debt_minor,
           payment_minor::bigint AS payment_minor, inquiries::integer AS inquiries, source_id,
           limits.row_digest(found::text, to_char(checked, 'YYYY-MM-DD'), active_lenders::integer::text,
                             debt_minor::text, payment_minor::text, inquiries::integer::text, currency) AS digest
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
       p.user_id, p.checked, p.lenders, p.debt_minor, p.payment_minor, p.inquiries, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.credit_checks k ON k.source = %(source)s AND k.source_id = p.source_id
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
