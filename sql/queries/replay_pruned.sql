-- Whether a snapshot was removed by retention.
SELECT EXISTS (SELECT FROM limits_read.pruned_snapshots WHERE digest = %(digest)s)
