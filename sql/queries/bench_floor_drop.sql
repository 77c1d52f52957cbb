-- Gives back the disk of the floor's tables.
DROP TABLE IF EXISTS bench.floor_adjustment_log, bench.floor_credit_lines
