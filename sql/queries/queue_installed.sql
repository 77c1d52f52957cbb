-- Whether the functions of the queue are in this database, as plain SQL or as the extension. Asked of the catalogue,
-- because to_regprocedure fails for whoever may not look into the schema.
SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = 'pgmq' AND p.proname = 'create'
                  AND pg_catalog.oidvectortypes(p.proargtypes) = 'text')
