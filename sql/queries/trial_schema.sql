-- For limits.bench.partitions: one schema for each kind of table.
CREATE SCHEMA plain; CREATE SCHEMA hash; CREATE SCHEMA range
