-- A user's credit line as it is now.
SELECT l.currency, c.exponent::integer AS exponent, l.limit_minor
  FROM limits.credit_lines l
  JOIN limits.currencies c ON c.currency = l.currency
 WHERE l.user_id = %(user_id)s
