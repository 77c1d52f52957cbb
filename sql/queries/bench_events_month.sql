-- The partition of a month's events, for made-up users.
SELECT limits.ensure_month('limits.events', %(month)s)
