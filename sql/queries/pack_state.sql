-- How many packed rows there are that this code reads, and how many of them are dirty.
SELECT count(*) AS packed, count(*) FILTER (WHERE d.user_id IS NOT NULL) AS dirty
  FROM limits.packed_users p
  LEFT JOIN (SELECT DISTINCT user_id FROM limits.dirty_users) d ON d.user_id = p.user_id
 WHERE p.format = %(format)s
