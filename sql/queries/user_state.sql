-- One user as rows say now: the credit line, which may be missing, and when the user was erased, if so.
SELECT u.user_id, u.opened_on, l.currency, c.exponent::integer AS exponent, l.limit_minor, l.opening_limit_minor,
       l.opened_on AS line_opened_on, l.last_raise_on, l.last_cut_on,
       (e.erased_at AT TIME ZONE 'UTC')::date AS erased_on
  FROM limits.users u
  LEFT JOIN limits.credit_lines l ON l.user_id = u.user_id
  LEFT JOIN limits.currencies c ON c.currency = l.currency
  LEFT JOIN limits.erasures e ON e.user_id = u.user_id
 WHERE u.user_id = %(user_id)s::bigint
