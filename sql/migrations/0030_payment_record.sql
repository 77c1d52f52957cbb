-- depends: 0028_persons
-- The payment record of users: what a lender's own system reports of a delay with a statement, and room for the
-- newest statements in packed rows.

SET LOCAL ROLE limits_owner;

-- Days past due on the day of the statement, as the lender's system has it; NULL: it does not say.
ALTER TABLE limits.statements ADD COLUMN days_past_due integer CHECK (days_past_due BETWEEN 0 AND 3650);
GRANT INSERT (days_past_due) ON limits.statements TO limits_operations;

-- cells: before the months stands the payment record, 18 numbers: six balances, six amounts repaid, six days past
-- due, the newest first. Four bytes each, or eight where wide, which is so where any number of the row needs it.
--
-- The rows there are were made by other code and are never read again; without them the check looks at nothing.
TRUNCATE limits.packed_users;
ALTER TABLE limits.packed_users
    DROP CONSTRAINT packed_users_check3,
    ADD CONSTRAINT packed_users_cells
        CHECK (length(cells) = (18 + 8 * months_held) * CASE WHEN wide THEN 8 ELSE 4 END);

-- As before, but for how long the cells of a user are.
CREATE OR REPLACE FUNCTION limits.pack_users(
    p_user_ids bigint[], p_valid_from date[], p_valid_until date[], p_format integer, p_month_from integer[],
    p_months_held smallint[], p_wide boolean[], p_currency char(3)[], p_width integer, p_facts bytea,
    p_cells_from integer[], p_cells bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'packed rows are written in the snapshot that they were read in' USING ERRCODE = 'LM003';
    END IF;
    DELETE FROM limits.dirty_users WHERE user_id = ANY (p_user_ids);
    INSERT INTO limits.packed_users AS p (
        user_id, valid_from, valid_until, format, month_from, months_held, wide, currency, facts, cells)
    SELECT u.user_id, u.valid_from, u.valid_until, p_format, u.month_from, u.months_held, u.wide, u.currency,
           CASE WHEN u.currency IS NOT NULL THEN
               substring(p_facts FROM (u.place::integer - 1) * p_width + 1 FOR p_width) END,
           CASE WHEN u.currency IS NOT NULL THEN
               substring(p_cells FROM u.cells_from + 1
                         FOR (18 + 8 * u.months_held) * CASE WHEN u.wide THEN 8 ELSE 4 END) END
      FROM ROWS FROM (unnest(p_user_ids), unnest(p_valid_from), unnest(p_valid_until), unnest(p_month_from),
                      unnest(p_months_held), unnest(p_wide), unnest(p_currency), unnest(p_cells_from))
           WITH ORDINALITY AS u (user_id, valid_from, valid_until, month_from, months_held, wide, currency,
                                 cells_from, place)
    ON CONFLICT (user_id) DO UPDATE
       SET valid_from = excluded.valid_from, valid_until = excluded.valid_until, format = excluded.format,
           month_from = excluded.month_from, months_held = excluded.months_held, wide = excluded.wide,
           currency = excluded.currency, facts = excluded.facts, cells = excluded.cells,
           packed_by = excluded.packed_by, packed_at = excluded.packed_at;
END $$;

RESET ROLE;
