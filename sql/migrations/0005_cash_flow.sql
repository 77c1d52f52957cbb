-- depends: 0003_guards
-- What the refresh of the monthly cash flow needs: as-of observation, indexes, grants.

SET LOCAL ROLE limits_owner;

-- The dates a review can be made for that see the month wholly inside the observed window
-- of the profile valid then. A review as of March reads March's profile, and a window that
-- a later profile opened or closed changes nothing for it. observed says the same of the
-- newest profile. Kept beside the amounts, so that the two are always of one refresh.
ALTER TABLE limits.monthly_cash_flow ADD COLUMN observed_as_of datemultirange NOT NULL DEFAULT '{}';
ALTER TABLE limits.monthly_cash_flow ADD CHECK (observed = upper_inf(observed_as_of));

-- A mark on any other day would be consumed and refresh nothing: the import would be lost.
ALTER TABLE limits.dirty_months ADD CHECK (extract(day FROM month) = 1);
-- The refresh goes month by month, so that each month reads one partition of events.
CREATE INDEX dirty_months_month ON limits.dirty_months (month);
-- What fell due in a month.
CREATE INDEX statements_due ON limits.statements (user_id, due_on);

GRANT INSERT, UPDATE ON limits.monthly_cash_flow TO limits_worker, limits_operations;
GRANT DELETE ON limits.dirty_months TO limits_worker, limits_operations;

RESET ROLE;
