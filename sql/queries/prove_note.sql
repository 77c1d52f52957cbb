-- One checkpoint of the log by its number.
SELECT note FROM limits_read.checkpoints WHERE checkpoint_id = %(checkpoint_id)s
