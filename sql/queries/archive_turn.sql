-- The turn to archive, until the transaction ends; an error where somebody else has it.
SELECT turn FROM limits.turns WHERE turn = 'archive' FOR UPDATE NOWAIT
