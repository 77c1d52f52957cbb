-- Takes a month of the log out of the database, whose archive is written and checked; false: it was out before.
SELECT limits.archive_month(%(month)s::date, %(entries)s, %(batches)s, %(delta_minor)s, %(file)s, %(sha256)s, %(actor)s)
