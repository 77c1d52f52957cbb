-- depends: 0022_reconciliation
-- What every credit line opened with, for auditors: where the adjustment log begins for a user.

SET LOCAL ROLE limits_owner;

CREATE VIEW limits.opening_lines AS
SELECT l.user_id, l.currency, c.exponent, l.opening_limit_minor, l.opened_on
  FROM limits.credit_lines l
  JOIN limits.currencies c ON c.currency = l.currency;

GRANT SELECT ON limits.opening_lines TO limits_worker, limits_operations, limits_auditor;

RESET ROLE;
