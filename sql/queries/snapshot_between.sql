-- The digests of snapshots from one to another, both included: those that begin with the same digits.
SELECT digest FROM limits_read.snapshots
 WHERE digest BETWEEN %(low)s AND %(high)s
 ORDER BY digest
 LIMIT %(limit)s
