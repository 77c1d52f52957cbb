-- What a decision that is not logged shows in place of what the log would hold.
SELECT session_user::text AS session_role, exponent::integer AS exponent, clock_timestamp() AS decided_at
  FROM limits_read.currencies
 WHERE currency = %(currency)s
