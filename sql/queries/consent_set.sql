-- What a user told operations: whether it was new, and how many raises no longer wait because of it.
SELECT written, ended
  FROM limits.set_consent(%(user_id)s, %(subject)s, %(state)s, %(effective_on)s, %(actor)s, %(reason)s)
