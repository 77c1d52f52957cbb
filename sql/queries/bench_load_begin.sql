-- Until bench_load_end: what comes into the tables that users are packed from marks nobody, for whoever is loaded is packed
-- because there is no packed row of him yet; and the five tables that bench_drop_sources empties are written without a
-- log of changes, since a server that fell in between would have nothing worth keeping.
DO $$
DECLARE t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['limits.users', 'limits.user_profiles', 'limits.statements', 'limits.repayments',
                             'limits.credit_checks', 'limits.documents', 'limits.consents', 'limits.events',
                             'limits.monthly_cash_flow']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER mark_dirty_insert', t);
    END LOOP;
    FOR t IN SELECT c.oid FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
              WHERE c.relkind = 'r' AND coalesce(i.inhparent, c.oid) = ANY (ARRAY[
                    'limits.statements', 'limits.repayments', 'limits.credit_checks', 'limits.events',
                    'limits.monthly_cash_flow']::regclass[]) LOOP
        EXECUTE format('ALTER TABLE %s SET UNLOGGED, SET (autovacuum_enabled = off)', t);
    END LOOP;
END $$
