-- Turns the kill switch; false when it was so before.
SELECT limits.set_kill_switch(%(engaged)s, %(actor)s, %(reason)s)
