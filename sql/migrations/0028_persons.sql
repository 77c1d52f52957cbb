-- depends: 0027_archiving
-- Who a user is stands outside of the log, under a key of the user's own; and how a user is erased: the key is
-- destroyed, what is known of the person is deleted, and the log goes on with a number that leads to nobody.
-- docs/log.md says of every table what becomes of it.
--
-- Errors: LM031, a user who cannot be erased, or was; LM011, not by this person or login.

SET LOCAL ROLE limits_owner;

-- A name without what does not tell two people apart, as in 0011: case, spaces, and signs that cannot be seen, by now
-- all those that Unicode calls ignorable.
CREATE OR REPLACE FUNCTION limits.person(p_name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT lower(regexp_replace(normalize(p_name, NFKC),
        '[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164'
        '\ufe00-\ufe0f\ufeff\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+', '', 'g'));
$$;

-- Who a user is -----------------------------------------------------------------------------

-- The key of each user's reference, 32 random bytes, made anew whenever the reference is set. A table of its own, so
-- that a dump or a copy can leave it out: without it limits.persons says nothing.
CREATE TABLE limits.person_keys (
    user_id bigint PRIMARY KEY REFERENCES limits.users,
    key     bytea NOT NULL CHECK (length(key) = 32),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The lender's own reference of a user, sealed with AES-256-GCM: the bytes are the text and a tag of 16 bytes, and
-- the number of the user is bound to them. lookup: HMAC-SHA256 of the text, to find it by. One person may be
-- several users, so it is not unique.
CREATE TABLE limits.persons (
    user_id      bigint PRIMARY KEY REFERENCES limits.users,
    nonce        bytea NOT NULL CHECK (length(nonce) = 12),
    sealed       bytea NOT NULL CHECK (length(sealed) > 16),
    lookup       bytea NOT NULL CHECK (length(lookup) = 32),
    actor        text NOT NULL CHECK (limits.person(actor) <> ''),
    session_role text NOT NULL DEFAULT session_user,
    set_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX persons_lookup ON limits.persons (lookup);

-- The key of lookup, one for the database. Two random UUIDs have 244 random bits.
CREATE TABLE limits.person_lookup (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key      bytea NOT NULL CHECK (length(key) = 32)
);
INSERT INTO limits.person_lookup (key)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- The one way to write both, so that never one is there without the other: a row that is put in here goes on to the
-- two tables. By COPY, whose data stand in no log of the server, as the parameters of any other statement may: with the
-- key and the sealed bytes beside each other a log would lead to the person for as long as it is kept.
CREATE VIEW limits.person_intake AS
SELECT p.user_id, NULL::bytea AS key, p.nonce, p.sealed, p.lookup, p.actor FROM limits.persons p WHERE false;

CREATE FUNCTION limits.take_person() RETURNS trigger
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
    RETURN NULL;
END $$;
CREATE TRIGGER take_person INSTEAD OF INSERT ON limits.person_intake FOR EACH ROW EXECUTE FUNCTION limits.take_person();

-- What was erased -----------------------------------------------------------------------------

-- That somebody asked for a user to be erased. It counts for 30 days; then it has to be proposed anew.
CREATE TABLE limits.erasure_proposals (
    user_id      bigint NOT NULL REFERENCES limits.users,
    proposed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    maker        text NOT NULL CHECK (limits.person(maker) <> ''),
    session_role text NOT NULL DEFAULT session_user,
    reason       text NOT NULL CHECK (reason <> '' AND length(reason) <= 500),
    PRIMARY KEY (user_id, proposed_at)
);

-- Who was erased: proposed by one person, carried out by another. The primary key IS the guarantee that it is done
-- once. counts: how many rows were deleted or emptied, by table.
CREATE TABLE limits.erasures (
    user_id       bigint PRIMARY KEY REFERENCES limits.users,
    erased_at     timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(erased_at)),
    maker         text NOT NULL,
    maker_session text NOT NULL,
    proposed_at   timestamptz NOT NULL,
    reason        text NOT NULL,
    checker       text NOT NULL,
    session_role  text NOT NULL DEFAULT session_user,
    counts        jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object'),
    CHECK (limits.person(checker) <> limits.person(maker) AND limits.person(checker) <> '')
);

DO $do$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['erasure_proposals', 'erasures'] LOOP
        EXECUTE format('CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.%I
                        FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting()', t);
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting()', t);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER append_only_rows,
                                              ENABLE ALWAYS TRIGGER append_only_truncate', t);
        EXECUTE format('CREATE VIEW limits_read.%I AS SELECT * FROM limits.%I', t, t);
    END LOOP;
END $do$;

-- Who writes of users, and who erases ---------------------------------------------------------

-- Whoever writes something about users has a share of this row until the transaction ends; whoever erases has it
-- alone. So an erasure leaves out nothing that was being written, and what is written after it sees it. The number
-- changes with each erasure: a transaction in a snapshot from before one does not get its share any more. A row and
-- not an advisory lock, which anybody who may connect could take and keep.
CREATE TABLE limits.erasing (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    erased   bigint NOT NULL
);
INSERT INTO limits.erasing (erased) VALUES (0);

-- Before the first row is written: a lock that is taken after others are held is a deadlock in waiting.
CREATE FUNCTION limits.share_erasing() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    PERFORM 1 FROM limits.erasing FOR SHARE;
    RETURN NULL;
END $$;

CREATE FUNCTION limits.refuse_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_erased limits.erasures;
BEGIN
    SELECT e.* INTO v_erased FROM added a JOIN limits.erasures e ON e.user_id = a.user_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'user % was erased on %: nothing more is kept of that user', v_erased.user_id,
            (v_erased.erased_at AT TIME ZONE 'UTC')::date USING ERRCODE = 'LM031';
    END IF;
    RETURN NULL;
END $$;

-- Nobody recomputes a user who was erased; and an erasure sees every review whose users were listed before it.
CREATE FUNCTION limits.refuse_recompute_of_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_user bigint;
BEGIN
    SELECT a.user_from INTO v_user
      FROM added a
      JOIN limits.reviews r ON r.review_id = a.review_id AND r.kind = 'recompute'
      JOIN limits.erasures e ON e.user_id = a.user_from LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'user % was erased: nothing is decided about that user any more', v_user
            USING ERRCODE = 'LM031';
    END IF;
    RETURN NULL;
END $$;

-- Packed rows are written in the snapshot in which the users were read, so their share of the row says it all.
DO $do$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['user_profiles', 'events', 'statements', 'repayments', 'credit_checks', 'documents',
                             'consents', 'identifiers', 'frauds', 'fraud_clearances', 'limit_requests', 'overrides',
                             'monthly_cash_flow', 'packed_users', 'persons', 'shards'] LOOP
        EXECUTE format('CREATE TRIGGER share_erasing BEFORE INSERT ON limits.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.share_erasing()', t);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER share_erasing', t);
        CONTINUE WHEN t = 'packed_users';
        EXECUTE format('CREATE TRIGGER refuse_erased AFTER INSERT ON limits.%I REFERENCING NEW TABLE AS added
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.%I()', t,
                       CASE t WHEN 'shards' THEN 'refuse_recompute_of_erased' ELSE 'refuse_erased' END);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER refuse_erased', t);
    END LOOP;
END $do$;

-- What challengers would have decided is no part of the log and goes with the user, though nobody may delete it
-- otherwise: a row leaves only where its user stands among the erased, and nobody but the function below can put
-- a user there. No setting opens this, and the owner, too, leaves a record behind.
CREATE FUNCTION limits.refuse_unless_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = OLD.user_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the adjustment log is append-only: % on % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER append_only_rows ON limits.challenger_log;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.challenger_log
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_unless_erased();
ALTER TABLE limits.challenger_log ENABLE ALWAYS TRIGGER append_only_rows;

-- Erasing -------------------------------------------------------------------------------------

-- Why a user cannot be erased as things stand, as the end of a sentence; NULL where nothing is in the way.
CREATE FUNCTION limits.why_not_erased(p_user bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_status text;
    v_owed   bigint;
    v_number bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = p_user) THEN
        RETURN 'there is no such user';
    END IF;
    IF EXISTS (SELECT FROM limits.erasures e WHERE e.user_id = p_user) THEN
        RETURN (SELECT format('that was done on %s', (e.erased_at AT TIME ZONE 'UTC')::date)
                  FROM limits.erasures e WHERE e.user_id = p_user);
    END IF;
    SELECT p.status INTO v_status FROM limits.user_profiles p
     WHERE p.user_id = p_user ORDER BY p.effective_on DESC LIMIT 1;
    IF v_status IS DISTINCT FROM 'closed' THEN
        RETURN format('the account is %s; close it first', coalesce(v_status, 'not known'));
    END IF;
    -- The balance of the newest statement, less what was repaid after it; what the lender owes is owed, too.
    SELECT s.balance_minor - coalesce((SELECT sum(r.amount_minor) FROM limits.repayments r
                                        WHERE r.user_id = p_user AND r.paid_on > s.statement_on), 0) INTO v_owed
      FROM limits.statements s
     WHERE s.user_id = p_user ORDER BY s.statement_on DESC, s.source DESC, s.source_id DESC LIMIT 1;
    IF v_owed <> 0 THEN
        RETURN format('%s minor units are owed %s', abs(v_owed),
                      CASE WHEN v_owed > 0 THEN 'by the user' ELSE 'to the user' END);
    END IF;
    SELECT r.review_id INTO v_number FROM limits.reviews r JOIN limits.shards s ON s.review_id = r.review_id
     WHERE r.state NOT IN ('done', 'cancelled')
       AND p_user BETWEEN s.user_from AND s.user_to AND p_user = ANY (s.user_ids) LIMIT 1;
    IF FOUND THEN
        RETURN format('review %s is not over', v_number);
    END IF;
    SELECT c.change_id INTO v_number FROM limits.pending_changes c WHERE c.user_id = p_user AND c.state = 'open';
    IF FOUND THEN
        RETURN format('change %s was offered or announced and is open', v_number);
    END IF;
    SELECT n.notice_id INTO v_number FROM limits.notices n
     WHERE n.user_id = p_user AND n.delivered_at IS NULL ORDER BY n.notice_id LIMIT 1;
    IF FOUND THEN
        RETURN format('notice %s is not delivered', v_number);
    END IF;
    SELECT o.entry_id INTO v_number FROM limits.outbox o
     WHERE o.user_id = p_user AND o.delivered_at IS NULL ORDER BY o.entry_id LIMIT 1;
    IF FOUND THEN
        RETURN format('the message about entry %s is not delivered', v_number);
    END IF;
    SELECT o.override_id INTO v_number FROM limits.overrides o WHERE o.user_id = p_user AND o.state = 'proposed' LIMIT 1;
    IF FOUND THEN
        RETURN format('override %s is neither approved nor rejected', v_number);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION limits.propose_erasure(p_user bigint, p_actor text, p_reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_why text := limits.why_not_erased(p_user);
BEGIN
    IF v_why IS NOT NULL THEN
        RAISE EXCEPTION 'user % cannot be erased: %', p_user, v_why USING ERRCODE = 'LM031';
    END IF;
    INSERT INTO limits.erasure_proposals (user_id, maker, reason) VALUES (p_user, btrim(p_actor), p_reason);
END $$;

-- The reviews that may have decided about a user: those of the log, and of archived months those whose shards had the
-- number between their bounds. Their rows are found by their keys.
CREATE FUNCTION limits.reviews_of(p_user bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT l.review_id FROM limits.adjustment_log l WHERE l.user_id = p_user
    UNION
    SELECT s.review_id
      FROM limits.archived_months m
      JOIN limits.reviews r ON r.business_date >= m.month AND r.business_date < m.month + interval '1 month'
      JOIN limits.shards s ON s.review_id = r.review_id AND p_user BETWEEN s.user_from AND s.user_to
$$;

-- Deletes and empties what is known of a user; how many rows of which table. The users, their lines, the log and what
-- belongs to it stay, see docs/log.md.
CREATE FUNCTION limits.delete_user_rows(p_user bigint) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_rows  jsonb := '{}';
    v_count bigint;
    t       text;
BEGIN
    -- What refers to others goes before them: keys of events are found by the events, requests are named by reviews.
    DELETE FROM limits.event_keys k USING limits.events e
     WHERE e.user_id = p_user AND k.source = e.source AND k.source_id = e.source_id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_rows := v_rows || jsonb_build_object('event_keys', v_count);
    UPDATE limits.reviews r SET reason = '', idempotency_key = NULL, request_id = NULL
     WHERE r.kind = 'recompute' AND r.review_id IN (SELECT limits.reviews_of(p_user));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_rows := v_rows || jsonb_build_object('reviews', v_count);
    -- The marks of packed users come last: whatever is deleted before them makes some.
    FOREACH t IN ARRAY ARRAY['persons', 'person_keys', 'user_profiles', 'events', 'statements', 'repayments',
                             'credit_checks', 'documents', 'consents', 'identifiers', 'frauds', 'fraud_identifiers',
                             'fraud_clearances', 'limit_requests', 'monthly_cash_flow', 'decided_meanwhile',
                             'packed_users', 'dirty_months', 'dirty_users'] LOOP
        EXECUTE format('DELETE FROM limits.%I WHERE user_id = $1', t) USING p_user;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        v_rows := v_rows || jsonb_build_object(t, v_count);
    END LOOP;
    -- Raises that a budget was laid on, of all users of a shard; the review is over.
    DELETE FROM limits.shard_raises g USING limits.shards s
     WHERE s.review_id = g.review_id AND s.shard = g.shard
       AND p_user BETWEEN s.user_from AND s.user_to AND p_user = ANY (s.user_ids);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_rows || jsonb_build_object('shard_raises', v_count) || limits.empty_user_texts(p_user);
END $$;

-- Of rows that stay, the words: letters, reasons, addresses. Rows in quarantine are the user's where one of their
-- fields is the number of the user; that may be an amount, and then only the look of a refused line is lost.
CREATE FUNCTION limits.empty_user_texts(p_user bigint) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_rows  jsonb := '{}';
    v_count bigint;
BEGIN
    UPDATE limits.notices n SET body = '{}', draft = NULL, delivered_to = '(erased)' WHERE n.user_id = p_user;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_rows := v_rows || jsonb_build_object('notices', v_count);
    UPDATE limits.pending_changes c SET ended_reason = '' WHERE c.user_id = p_user;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_rows := v_rows || jsonb_build_object('pending_changes', v_count);
    UPDATE limits.overrides SET reason = '(erased)', decided_reason = '', ended_reason = '' WHERE user_id = p_user;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_rows := v_rows || jsonb_build_object('overrides', v_count);
    UPDATE limits.review_exceptions SET detail = '' WHERE user_id = p_user;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    v_rows := v_rows || jsonb_build_object('review_exceptions', v_count);
    UPDATE limits.quarantine q
       SET raw = '(not kept: the user was erased)', detail = 'the user was erased; the line is not kept',
           row_digest = sha256(convert_to(format('erased %s', q.quarantine_id), 'UTF8'))
     WHERE q.raw LIKE '%' || p_user || '%'
       AND EXISTS (SELECT FROM unnest(string_to_array(q.raw, ',')) AS field
                    WHERE ltrim(btrim(field, E'" \t'), '0') = p_user::text);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_rows || jsonb_build_object('quarantine', v_count);
END $$;

-- The one way to erase: all of it or nothing, for good.
--
-- Whoever writes of users is waited for, half a minute at most: an import that goes on for longer is not worth
-- holding up everybody who comes after it.
CREATE FUNCTION limits.erase_user(p_user bigint, p_actor text) RETURNS limits.erasures
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET lock_timeout = '30s' AS $$
DECLARE
    v_proposal limits.erasure_proposals;
    v_why      text;
    v_counts   jsonb;
    v_made     limits.erasures;
BEGIN
    -- In the order in which everybody else takes them: whoever refreshes months has that turn first.
    PERFORM 1 FROM limits.turns WHERE turn = 'refresh' FOR UPDATE;
    UPDATE limits.erasing SET erased = erased + 1;
    PERFORM 1 FROM limits.credit_lines WHERE user_id = p_user FOR UPDATE;
    v_why := limits.why_not_erased(p_user);
    IF v_why IS NULL THEN
        SELECT * INTO v_proposal FROM limits.erasure_proposals e
         WHERE e.user_id = p_user AND e.proposed_at > clock_timestamp() - interval '30 days'
         ORDER BY e.proposed_at DESC LIMIT 1;
        IF NOT FOUND THEN
            v_why := 'nobody proposed it within 30 days';
        END IF;
    END IF;
    IF v_why IS NOT NULL THEN
        RAISE EXCEPTION 'user % cannot be erased: %', p_user, v_why USING ERRCODE = 'LM031';
    END IF;
    PERFORM limits.check_second_person(format('erasing user %s', p_user), v_proposal.maker, v_proposal.session_role,
                                       p_actor);
    v_counts := limits.delete_user_rows(p_user);
    -- The record, and then what leaves only for users who have one.
    INSERT INTO limits.erasures (user_id, maker, maker_session, proposed_at, reason, checker, counts)
    SELECT p_user, v_proposal.maker, v_proposal.session_role, v_proposal.proposed_at, v_proposal.reason,
           btrim(p_actor), v_counts || jsonb_build_object('challenger_log', count(*))
      FROM limits.challenger_log c
     WHERE c.user_id = p_user AND c.review_id IN (SELECT limits.reviews_of(p_user))
    RETURNING * INTO v_made;
    -- A challenger decides beside the champion, so the reviews of the user lead to all of these by their key.
    DELETE FROM limits.challenger_log c
     WHERE c.user_id = p_user AND c.review_id IN (SELECT limits.reviews_of(p_user));
    RETURN v_made;
END $$;

-- Who may -------------------------------------------------------------------------------------

REVOKE EXECUTE ON FUNCTION limits.take_person, limits.share_erasing, limits.refuse_erased,
    limits.refuse_recompute_of_erased, limits.refuse_unless_erased, limits.why_not_erased, limits.propose_erasure,
    limits.reviews_of, limits.delete_user_rows, limits.empty_user_texts, limits.erase_user FROM PUBLIC;
GRANT INSERT ON limits.person_intake TO limits_operations;
GRANT EXECUTE ON FUNCTION limits.propose_erasure, limits.erase_user TO limits_operations;
GRANT SELECT ON limits.persons, limits.person_keys, limits.person_lookup TO limits_operations;
GRANT SELECT ON limits.erasures, limits.erasure_proposals TO limits_worker, limits_operations;
GRANT SELECT ON limits_read.erasures, limits_read.erasure_proposals
    TO limits_worker, limits_operations, limits_auditor;

RESET ROLE;
