-- The business date by the database's clock.
SELECT (now() AT TIME ZONE 'UTC')::date AS today
