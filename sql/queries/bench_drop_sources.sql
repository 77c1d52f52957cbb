-- Empties the tables that nothing but packing reads while there is no news of a user, and gives their disk back. The packed rows
-- stay: what would throw them away with their sources is set aside for as long as this takes. Credit lines, profiles, documents,
-- consents, frauds, identifiers and overrides stay too, for a review reads them, if only of few users.
-- There is no mark of a user left, but the place that marks took is.
DO $$
DECLARE t text;
BEGIN
    TRUNCATE limits.dirty_users;
    FOREACH t IN ARRAY ARRAY['statements', 'repayments', 'credit_checks', 'events', 'monthly_cash_flow'] LOOP
        EXECUTE format('ALTER TABLE limits.%I DISABLE TRIGGER mark_dirty_truncate', t);
        EXECUTE format('TRUNCATE limits.%I', t);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER mark_dirty_truncate', t);
    END LOOP;
END $$
