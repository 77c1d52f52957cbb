-- The bytes of a snapshot, NULL where they are in a file, and how many there are.
SELECT body, bytes FROM limits_read.snapshots WHERE digest = %(digest)s
