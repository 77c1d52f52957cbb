-- Ends an open change without a decision; its state now, and whether this call ended it.
SELECT state, done
  FROM limits.end_change(%(change_id)s, %(state)s, %(as_of)s, %(actor)s, %(reason)s)
