-- Ends an override before its time; false when that was done before.
SELECT limits.end_override(%(override_id)s, %(actor)s, %(reason)s)
