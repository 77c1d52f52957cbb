-- What bench_load_begin set aside is as always again; what is in the tables by now marks nobody.
DO $$
DECLARE t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['limits.users', 'limits.user_profiles', 'limits.statements', 'limits.repayments',
                             'limits.credit_checks', 'limits.documents', 'limits.consents', 'limits.events',
                             'limits.monthly_cash_flow']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER mark_dirty_insert', t);
    END LOOP;
    FOR t IN SELECT c.oid FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
              WHERE c.relkind = 'r' AND coalesce(i.inhparent, c.oid) = ANY (ARRAY[
                    'limits.statements', 'limits.repayments', 'limits.credit_checks', 'limits.events',
                    'limits.monthly_cash_flow']::regclass[]) LOOP
        EXECUTE format('ALTER TABLE %s SET LOGGED, RESET (autovacuum_enabled)', t);
    END LOOP;
END $$
