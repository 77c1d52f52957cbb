-- One user's line in the plain log.
INSERT INTO bench.naive_log (user_id, as_of, limit_before, limit_after, forecast)
VALUES (%(user_id)s, %(as_of)s, %(before)s, %(after)s, %(forecast)s)
