-- What the log begins with: as it was written down, and as it is now.
SELECT o.entries, o.digest,
       (SELECT count(*) FROM limits_read.adjustment_log WHERE batch_id IS NULL) AS entries_now,
       limits.origin_digest() AS digest_now
  FROM limits.log_origin o
