-- depends: 0028_persons
-- Mends of the log: a month is kept from when it was applied, too; a leaf of the tree is that of a batch that is there;
-- nobody rewrites the records of batches; and whoever sets the reference of a user leaves that behind.

SET LOCAL ROLE limits_owner;

-- Batches ------------------------------------------------------------------------------------

-- Their records are what is hashed into the tree, so they are kept as the entries are.
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.batches
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.batches
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.batches ENABLE ALWAYS TRIGGER append_only_rows,
                           ENABLE ALWAYS TRIGGER append_only_truncate;

-- As in 0024, and each leaf is the digest of its batch. A digest at a time, so that each is found by its key however
-- many batches there are.
CREATE OR REPLACE FUNCTION limits.check_sealed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_first bigint;
    v_last  bigint;
    v_count bigint;
    v_batch bigint;
BEGIN
    SELECT min(a.position), max(a.position), count(*) INTO v_first, v_last, v_count FROM added a;
    IF v_last - v_first + 1 <> v_count
       OR v_first > 0 AND NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.position = v_first - 1) THEN
        RAISE EXCEPTION 'sealed batches follow each other: % of them cannot stand at % to %', v_count, v_first, v_last
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT a.batch_id INTO v_batch
      FROM added a
     WHERE a.batch_id IS NOT NULL
       AND (SELECT b.digest FROM limits.batches b WHERE b.batch_id = a.batch_id) IS DISTINCT FROM a.digest
     ORDER BY a.position LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no batch % of that digest, so it cannot be sealed', v_batch
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

-- Archiving ----------------------------------------------------------------------------------

-- As in 0027, and what was decided as of an old date is kept for as long from the day on which it was applied.
CREATE OR REPLACE FUNCTION limits.archive_obstacle(p_month date) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_next  date := (p_month + interval '1 month')::date;
    v_least integer := (SELECT r.log_days FROM limits.retention r);
    v_today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    v_days  integer := v_today - ((p_month + interval '1 month')::date - 1);
    v_older date := (SELECT min(l.as_of) FROM limits.adjustment_log l WHERE l.as_of < p_month);
    v_found record;
BEGIN
    IF v_days < v_least THEN
        RETURN format('its last day is %s days ago, and the log is kept for %s days at least (limits.retention)',
                      v_days, v_least);
    END IF;
    IF NOT EXISTS (SELECT FROM limits.adjustment_log l WHERE l.as_of >= p_month AND l.as_of < v_next) THEN
        RETURN 'the log has no entries of it';
    END IF;
    SELECT b.batch_id, (b.applied_at AT TIME ZONE 'UTC')::date AS day INTO v_found
      FROM limits.batches b
     WHERE b.batch_id IN (SELECT l.batch_id FROM limits.adjustment_log l WHERE l.as_of >= p_month AND l.as_of < v_next)
     ORDER BY b.applied_at DESC LIMIT 1;
    IF FOUND AND v_found.day + v_least > v_today THEN
        RETURN format('batch %s of it was applied on %s, and the log is kept for %s days from then, too (limits.retention)',
                      v_found.batch_id, v_found.day, v_least);
    END IF;
    IF v_older IS NOT NULL THEN
        RETURN format('%s is still here, and the oldest month goes first', to_char(v_older, 'YYYY-MM'));
    END IF;
    SELECT r.review_id, r.state INTO v_found FROM limits.reviews r
     WHERE r.business_date >= p_month AND r.business_date < v_next AND r.state IN ('owed', 'running', 'held')
     ORDER BY r.review_id LIMIT 1;
    IF FOUND THEN
        RETURN format('review %s of that month is %s: it has to be over', v_found.review_id, v_found.state);
    END IF;
    SELECT c.review_id INTO v_found FROM limits.reconciliations c JOIN limits.reviews r USING (review_id)
     WHERE r.business_date >= p_month AND r.business_date < v_next AND c.at IS NULL ORDER BY c.review_id LIMIT 1;
    IF FOUND THEN
        RETURN format('review %s of that month is not reconciled yet', v_found.review_id);
    END IF;
    SELECT l.entry_id INTO v_found FROM limits.adjustment_log l
     WHERE l.as_of >= p_month AND l.as_of < v_next AND l.batch_id IS NULL LIMIT 1;
    IF FOUND THEN
        RETURN format('entry %s is of before batches had records, and the digest of the log''s origin needs it here',
                      v_found.entry_id);
    END IF;
    SELECT b.batch_id INTO v_found
      FROM (SELECT DISTINCT l.batch_id FROM limits.adjustment_log l WHERE l.as_of >= p_month AND l.as_of < v_next) b
     WHERE NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.batch_id = b.batch_id)
     ORDER BY b.batch_id LIMIT 1;
    IF FOUND THEN
        RETURN format('batch %s of that month is not sealed: limits log seal', v_found.batch_id);
    END IF;
    SELECT w.change_id, w.user_id INTO v_found FROM limits.pending_changes w
     WHERE w.as_of >= p_month AND w.as_of < v_next AND w.state = 'open' ORDER BY w.change_id LIMIT 1;
    IF FOUND THEN
        RETURN format('change %s of user %s was offered or announced in that month and is open',
                      v_found.change_id, v_found.user_id);
    END IF;
    SELECT t.user_id, t.entry_id INTO v_found
      FROM (SELECT o.user_id, o.entry_id FROM limits.outbox o
             WHERE o.delivered_at IS NULL AND o.as_of >= p_month AND o.as_of < v_next
            UNION ALL
            SELECT n.user_id, n.entry_id FROM limits.notices n
             WHERE n.delivered_at IS NULL AND n.as_of >= p_month AND n.as_of < v_next) t
     ORDER BY t.entry_id LIMIT 1;
    IF FOUND THEN
        RETURN format('a message to user %s about entry %s is not delivered', v_found.user_id, v_found.entry_id);
    END IF;
    RETURN NULL;
END $$;

-- Who set the reference of a user ----------------------------------------------------------------

-- Each time, and never the reference: limits.persons has the newest alone. Nobody can change or remove it, and it stays
-- when the user is erased: it leads from a number to nobody.
CREATE TABLE limits.person_sets (
    user_id      bigint NOT NULL REFERENCES limits.users,
    set_id       bigint GENERATED ALWAYS AS IDENTITY,
    set_at       timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(set_at)),
    actor        text NOT NULL CHECK (limits.person(actor) <> ''),
    session_role text NOT NULL DEFAULT session_user,
    PRIMARY KEY (user_id, set_id)
);
INSERT INTO limits.person_sets (user_id, set_at, actor, session_role)
SELECT p.user_id, p.set_at, p.actor, p.session_role FROM limits.persons p ORDER BY p.set_at, p.user_id;

CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.person_sets
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.person_sets
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.person_sets ENABLE ALWAYS TRIGGER append_only_rows,
                               ENABLE ALWAYS TRIGGER append_only_truncate;

-- As in 0028, and it leaves behind who that was.
CREATE OR REPLACE FUNCTION limits.take_person() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = NEW.user_id) THEN
        RAISE EXCEPTION 'there is no user %', NEW.user_id USING ERRCODE = 'LM031';
    END IF;
    INSERT INTO limits.persons AS p (user_id, nonce, sealed, lookup, actor)
    VALUES (NEW.user_id, NEW.nonce, NEW.sealed, NEW.lookup, btrim(NEW.actor))
    ON CONFLICT (user_id) DO UPDATE
       SET nonce = excluded.nonce, sealed = excluded.sealed, lookup = excluded.lookup, actor = excluded.actor,
           session_role = session_user, set_at = clock_timestamp();
    INSERT INTO limits.person_keys AS k (user_id, key) VALUES (NEW.user_id, NEW.key)
    ON CONFLICT (user_id) DO UPDATE SET key = excluded.key, made_at = clock_timestamp();
    INSERT INTO limits.person_sets (user_id, actor) VALUES (NEW.user_id, btrim(NEW.actor));
    RETURN NULL;
END $$;

CREATE VIEW limits_read.person_sets AS SELECT * FROM limits.person_sets;
GRANT SELECT ON limits.person_sets TO limits_operations;
GRANT SELECT ON limits_read.person_sets TO limits_worker, limits_operations, limits_auditor;

RESET ROLE;
