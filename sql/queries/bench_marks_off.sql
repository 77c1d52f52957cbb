-- Months that come back for the loop over users are no news of anybody: what was packed of them is what they say.
ALTER TABLE limits.monthly_cash_flow DISABLE TRIGGER mark_dirty_insert
