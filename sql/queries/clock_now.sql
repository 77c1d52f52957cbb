-- The instant of the database's clock, which also judges whether a business date has come.
SELECT clock_timestamp()
