-- For limits.bench.partitions: statistics and hint bits, so that no round pays for them.
VACUUM (ANALYZE)
