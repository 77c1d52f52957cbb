-- The kill switch as it is.
SELECT engaged, actor, reason, changed_at FROM limits_read.kill_switch
