-- Whatever comes into the monthly cash flow from here on marks its user, as always.
ALTER TABLE limits.monthly_cash_flow ENABLE ALWAYS TRIGGER mark_dirty_insert
