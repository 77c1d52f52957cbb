-- How many entries the log has.
SELECT count(*) FROM limits.adjustment_log
