-- What the credit line of a user opened with, and when.
SELECT currency, exponent, opening_limit_minor, opened_on
  FROM limits.opening_lines
 WHERE user_id = %(user_id)s::bigint
