-- Lets in the new credit checks. They touch no month.
INSERT INTO limits.credit_checks (
    user_id, source, source_id, checked_on, active_lenders, outside_debt_minor, outside_monthly_payment_minor,
    inquiries, digest)
SELECT user_id, %(source)s, source_id, checked_on, active_lenders, outside_debt_minor, outside_monthly_payment_minor,
       inquiries, digest
  FROM pg_temp.import_checked
 WHERE fault IS NULL AND NOT known
 ORDER BY user_id, checked_on
