-- depends: 0012_pending_changes 0013_notices
-- What a nightly review reads of most users: one packed row each, instead of the dozens of rows it
-- was made from. A cache, never the truth: limits.store.load says what a user's facts are.

SET LOCAL ROLE limits_owner;

-- The row holds for every date from valid_from to the day before valid_until, and only as long as no
-- row of limits.dirty_users names the user. Where facts is NULL the user is never read from here.
--
-- format: which version of the code made it; another version makes it anew. cells: months_held months
-- from month_from on (months since 1970), of each of the eight monthly amounts in turn, four bytes
-- each, or eight where wide. At most some 3 KB, kept inside the row: the reading of a shard would
-- otherwise fetch every row twice.
CREATE TABLE limits.packed_users (
    user_id     bigint NOT NULL,
    valid_from  date NOT NULL,
    valid_until date NOT NULL,
    format      integer NOT NULL,
    month_from  integer NOT NULL,
    months_held smallint NOT NULL,
    wide        boolean NOT NULL,
    currency    char(3),
    facts       bytea,
    cells       bytea,
    packed_by   text NOT NULL DEFAULT session_user,
    packed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id) INCLUDE (valid_from, valid_until, format),
    CHECK (valid_from < valid_until),
    CHECK (month_from IS NOT NULL AND months_held BETWEEN 0 AND 60),
    CHECK ((facts IS NULL) = (cells IS NULL) AND (facts IS NULL) = (currency IS NULL)),
    CHECK (length(cells) = months_held * CASE WHEN wide THEN 64 ELSE 32 END)
);
ALTER TABLE limits.packed_users ALTER COLUMN facts SET STORAGE PLAIN, ALTER COLUMN cells SET STORAGE PLAIN;

-- Segments, industries and jurisdictions by number, so that a packed row has one width. Only added to.
CREATE TABLE limits.packed_texts (
    code    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content text NOT NULL UNIQUE CHECK (length(content) <= 200)
);

-- Whose packed row no longer says what the sources say. Append-only, so that an import never waits
-- for whoever packs; a mark is taken away by a transaction that saw it and what it stands for.
CREATE TABLE limits.dirty_users (
    dirty_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id   bigint NOT NULL,
    marked_in xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX dirty_users_user ON limits.dirty_users (user_id, marked_in);

-- In the transaction that changes a source of packed rows, whoever changes it. A user without a packed
-- row is marked too: somebody may be packing just now who does not see the change. One mark for each
-- user and transaction is enough, because it is seen exactly when all of the transaction is.
CREATE FUNCTION limits.mark_dirty_users() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        -- Whoever has read the table in order to pack is done before it can be truncated.
        DELETE FROM limits.packed_users;
        RETURN NULL;
    END IF;
    INSERT INTO limits.dirty_users (user_id)
    SELECT DISTINCT c.user_id FROM changed c
     WHERE NOT EXISTS (SELECT FROM limits.dirty_users d
                        WHERE d.user_id = c.user_id AND d.marked_in = pg_current_xact_id());
    IF TG_OP = 'UPDATE' THEN   -- a row may have been given to another user
        INSERT INTO limits.dirty_users (user_id)
        SELECT DISTINCT b.user_id FROM before b
         WHERE NOT EXISTS (SELECT FROM limits.dirty_users d
                            WHERE d.user_id = b.user_id AND d.marked_in = pg_current_xact_id());
    END IF;
    RETURN NULL;
END $$;

-- Imports write to the parent of the partitions of events, and nobody but the owner may write to a
-- partition itself. ENABLE ALWAYS: also under session_replication_role = replica.
DO $do$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['users', 'user_profiles', 'statements', 'repayments', 'credit_checks', 'documents',
                             'consents', 'events', 'monthly_cash_flow'] LOOP
        EXECUTE format('CREATE TRIGGER mark_dirty_insert AFTER INSERT ON limits.%I REFERENCING NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.mark_dirty_users()', t);
        EXECUTE format('CREATE TRIGGER mark_dirty_update AFTER UPDATE ON limits.%I
                        REFERENCING OLD TABLE AS before NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.mark_dirty_users()', t);
        EXECUTE format('CREATE TRIGGER mark_dirty_delete AFTER DELETE ON limits.%I REFERENCING OLD TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.mark_dirty_users()', t);
        EXECUTE format('CREATE TRIGGER mark_dirty_truncate AFTER TRUNCATE ON limits.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.mark_dirty_users()', t);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER mark_dirty_insert,
                        ENABLE ALWAYS TRIGGER mark_dirty_update, ENABLE ALWAYS TRIGGER mark_dirty_delete,
                        ENABLE ALWAYS TRIGGER mark_dirty_truncate', t);
    END LOOP;
END $do$;

-- The numbers of some texts, those that are new included.
CREATE FUNCTION limits.pack_texts(p_texts text[]) RETURNS TABLE (content text, code integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    INSERT INTO limits.packed_texts AS t (content)
    SELECT DISTINCT given.content FROM unnest(p_texts) AS given (content)
     WHERE NOT EXISTS (SELECT FROM limits.packed_texts k WHERE k.content = given.content)
     ORDER BY given.content
    ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT t.content, t.code FROM limits.packed_texts t WHERE t.content = ANY (p_texts);
END $$;

-- The one way to write packed rows: of some users in order of id, beside each other. p_facts holds
-- p_width bytes for each user whose p_currency is not NULL, p_cells those from p_cells_from on (from 0).
--
-- In one snapshot with the reading that the rows were made from, and only so: whatever is committed
-- later is not seen, keeps its mark, and a row that somebody else has packed since then refuses this
-- one (serialization failure: try again).
--
-- Who is trusted: a worker, to pack what it read as it is trusted to compute what it decides; nobody
-- else may. What a decision was made from is kept with it, packed_by says who packed, and `limits
-- doctor` compares packed rows with their sources.
CREATE FUNCTION limits.pack_users(
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
                         FOR u.months_held * CASE WHEN u.wide THEN 64 ELSE 32 END) END
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

REVOKE EXECUTE ON FUNCTION limits.mark_dirty_users, limits.pack_texts, limits.pack_users FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.pack_texts, limits.pack_users TO limits_worker;
GRANT SELECT ON limits.packed_users, limits.packed_texts, limits.dirty_users TO limits_worker, limits_operations;

RESET ROLE;
