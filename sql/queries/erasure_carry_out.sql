-- Erases a user whom somebody else proposed; what was done.
SELECT user_id, erased_at, maker, proposed_at, reason, checker, counts
  FROM limits.erase_user(%(user_id)s, %(actor)s)
