-- Until the transaction ends nobody else says which dates of schedules are reviewed and which are passed over.
SELECT 1 FROM limits.turns WHERE turn = 'schedule' FOR UPDATE
