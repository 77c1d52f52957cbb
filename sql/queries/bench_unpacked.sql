-- How many users between two a review as of a date would not read from their packed row: no row, one of other code or
-- other dates, one that is never read, or a mark.
SELECT count(*)
  FROM limits.users u
  LEFT JOIN limits.packed_users p ON p.user_id = u.user_id AND p.user_id BETWEEN %(first)s AND %(last)s
   AND p.valid_from <= %(as_of)s AND p.valid_until > %(as_of)s AND p.format = %(format)s AND length(p.facts) = %(width)s
 WHERE u.user_id BETWEEN %(first)s AND %(last)s
   AND (p.user_id IS NULL OR EXISTS (SELECT FROM limits.dirty_users d WHERE d.user_id = u.user_id))
