-- The leaves of the log's tree from a position on, in order.
SELECT position, digest FROM limits.sealed_batches WHERE position >= %(start)s ORDER BY position
