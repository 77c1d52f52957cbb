-- Whether a snapshot was removed by retention.
SELECT EXISTS (SELECT FROM limits.pruned_snapshots WHERE digest = %(digest)s)
