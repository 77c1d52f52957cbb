-- Whether any month waits to be refreshed: the first mark found answers, however many there are.
SELECT EXISTS (SELECT FROM limits.dirty_months)
