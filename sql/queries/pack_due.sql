-- Whom to pack as of a date: dirty users, and those whose packed row is missing, of other code, or does not
-- hold on the date; nobody who was erased. All between two users where these are dense; else those alone whose ids
-- are given.
SELECT array_agg(user_id ORDER BY user_id) AS user_id
  FROM (SELECT u.user_id
          FROM limits.users u
          LEFT JOIN limits.packed_users p ON p.user_id = u.user_id
           AND p.user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
           AND p.valid_from <= %(as_of)s AND p.valid_until > %(as_of)s AND p.format = %(format)s
         WHERE p.user_id IS NULL AND u.user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
           AND (%(dense)s OR u.user_id = ANY (%(user_ids)s::bigint[]))
           AND NOT EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = u.user_id)
        UNION
        SELECT d.user_id FROM limits.dirty_users d
         WHERE d.user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
           AND (%(dense)s OR d.user_id = ANY (%(user_ids)s::bigint[]))) due
