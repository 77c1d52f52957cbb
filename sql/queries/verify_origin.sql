-- What was logged before there were batches: as it was written down then, and as it is now.
SELECT o.entries, o.digest, (SELECT count(*) FROM limits_read.adjustment_log WHERE batch_id IS NULL), limits.origin_digest()
  FROM limits_read.log_origin o
