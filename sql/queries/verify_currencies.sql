-- The decimals of each currency, as the commands that show amounts take them.
SELECT currency::text, exponent FROM limits_read.currencies ORDER BY 1
