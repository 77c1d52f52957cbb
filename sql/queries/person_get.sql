-- The sealed reference of a user with its key; the key is NULL where it was lost.
SELECT p.nonce, p.sealed, k.key, p.set_at, p.actor
  FROM limits.persons p
  LEFT JOIN limits.person_keys k ON k.user_id = p.user_id
 WHERE p.user_id = %(user_id)s
