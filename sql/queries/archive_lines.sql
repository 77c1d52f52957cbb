-- What is kept of the users whose limits an archived month changed, by user: dates as days since 2000, the least number
-- of 64 bits for NULL.
SELECT user_id, changes, delta_minor, limit_after_minor, version_after,
       coalesce((last_raise_on - date '2000-01-01')::bigint, -9223372036854775808),
       coalesce((last_cut_on - date '2000-01-01')::bigint, -9223372036854775808),
       coalesce(before_cut_minor, -9223372036854775808)
  FROM limits_read.archived_lines
 WHERE month = %(month)s::date
 ORDER BY user_id
