-- For the statements that follow: the planner has to know how long the file is, and compiling
-- expressions that are used once for each line takes longer than it saves.
ANALYZE pg_temp.import_stage;
SET LOCAL jit = off;
SET LOCAL work_mem = '64MB'
