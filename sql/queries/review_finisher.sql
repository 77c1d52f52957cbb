-- One at a time finishes a shard, so that the last one of a review knows that it is the last.
SELECT 1 FROM limits.turns WHERE turn = 'finish' FOR UPDATE
