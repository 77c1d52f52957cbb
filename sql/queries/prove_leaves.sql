-- The first leaves of the log's tree, in order.
SELECT digest FROM limits_read.sealed_batches WHERE position < %(size)s ORDER BY position
