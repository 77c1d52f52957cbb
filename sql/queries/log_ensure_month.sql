-- The log's partition for a business date.
SELECT limits.ensure_month('limits.adjustment_log', %(as_of)s)
