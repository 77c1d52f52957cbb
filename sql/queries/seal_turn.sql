-- The turn to seal, until the transaction ends; an error at once where another sealer has it.
SELECT turn FROM limits.turns WHERE turn = 'seal' FOR UPDATE NOWAIT
