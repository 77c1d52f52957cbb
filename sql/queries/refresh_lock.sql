-- One at a time brings the monthly cash flow up to date; the next finds the work done.
SELECT 1 FROM limits.turns WHERE turn = 'refresh' FOR UPDATE
