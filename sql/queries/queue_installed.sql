-- Whether the functions of the queue are in this database, as plain SQL or as the extension.
SELECT to_regprocedure('pgmq.create(text)') IS NOT NULL
