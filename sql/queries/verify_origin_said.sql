-- What was written down of the entries made before there were batches: how many, and the digest over them.
SELECT entries, digest FROM limits_read.log_origin
