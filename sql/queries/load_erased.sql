-- Those of some users who were erased, and when (UTC).
SELECT user_id, (erased_at AT TIME ZONE 'UTC')::date AS erased_on
  FROM limits.erasures
 WHERE user_id = ANY (%(user_ids)s::bigint[])
