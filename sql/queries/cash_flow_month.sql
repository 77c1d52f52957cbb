-- Takes the marks of one month and writes that month anew for the users they name.
SELECT limits.refresh_month(%(month)s)
