-- One state of the database for all that is read of the log, and no compiling for queries that take a moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL jit = off;
