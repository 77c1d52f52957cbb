-- Whether the kill switch is engaged, and since when.
SELECT engaged, changed_at FROM limits_metrics.kill_switch
