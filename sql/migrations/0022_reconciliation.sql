-- depends: 0021_entries
-- Whether limits, log, messages, batches, shards and reviews say the same. The functions that find what does not are
-- the only place where that is written: whoever may read the log asks them of everything, and of each review of a
-- schedule they are asked once, when it is over. One that does not add up engages the kill switch.

SET LOCAL ROLE limits_owner;

-- What does not add up --------------------------------------------------------------------

-- said: what the row says; counted: what it has to be by the log. Amounts are minor units.
CREATE TYPE limits.mismatch AS (
    what      text,
    review_id bigint,
    shard     integer,
    user_id   bigint,
    entry_id  bigint,
    said      numeric,
    counted   numeric
);

-- A user's changes without the holds between them, in order and from the index alone: adding up what all users of a
-- review ever changed by then costs less than reading what the review logged about them.
CREATE INDEX adjustment_log_changes ON limits.adjustment_log (user_id, version_before)
    INCLUDE (version_after, limit_before_minor, limit_after_minor, entry_id) WHERE action <> 0;

-- Users from one id to another whose line is not what their entries come to, or whose entries do not begin where the
-- one before ended. p_holds false: their changes alone are read.
CREATE FUNCTION limits.unreconciled_users(p_from bigint, p_to bigint, p_holds boolean) RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH told AS (
        SELECT l.user_id, l.entry_id, l.limit_before_minor, l.limit_after_minor, l.version_before, l.version_after,
               lag(l.limit_after_minor) OVER w AS limit_then, lag(l.version_after) OVER w AS version_then
          FROM limits.adjustment_log l
         WHERE l.user_id BETWEEN p_from AND p_to AND (p_holds OR l.action <> 0)
        WINDOW w AS (PARTITION BY l.user_id ORDER BY l.version_before, l.version_after)
    ), added AS (
        SELECT t.user_id, count(*) AS entries, sum(t.limit_after_minor - t.limit_before_minor) AS delta,
               count(*) FILTER (WHERE t.limit_after_minor <> t.limit_before_minor) AS changes,
               min(ARRAY[t.entry_id, t.limit_before_minor, t.version_before])
                   FILTER (WHERE t.version_then IS NULL) AS first,
               min(ARRAY[t.entry_id, t.limit_before_minor, t.limit_then])
                   FILTER (WHERE t.limit_then <> t.limit_before_minor) AS jump,
               min(ARRAY[t.entry_id, t.version_before, t.version_then])
                   FILTER (WHERE t.version_then <> t.version_before) AS skip
          FROM told t
         GROUP BY t.user_id
    ), odd AS (
        SELECT coalesce(c.user_id, a.user_id) AS user_id, c.user_id IS NULL AS lost, c.limit_minor, c.version,
               c.opening_limit_minor AS opening, a.entries, coalesce(a.delta, 0) AS delta,
               coalesce(a.changes, 0) AS changes, a.first, a.jump, a.skip
          FROM (SELECT * FROM limits.credit_lines x WHERE x.user_id BETWEEN p_from AND p_to) c
          FULL JOIN added a ON a.user_id = c.user_id
         WHERE (c.limit_minor = c.opening_limit_minor + coalesce(a.delta, 0) AND c.version = coalesce(a.changes, 0)
                AND (a.first[2] = c.opening_limit_minor AND a.first[3] = 0) IS NOT FALSE
                AND a.jump IS NULL AND a.skip IS NULL) IS NOT TRUE
    )
    SELECT v.what, NULL::bigint, NULL::integer, o.user_id, v.entry_id, v.said, v.counted
      FROM odd o
     CROSS JOIN LATERAL (VALUES
         ('line', NULL::bigint, NULL::numeric, o.entries::numeric, o.lost),
         ('limit', NULL, o.limit_minor, o.opening + o.delta, o.limit_minor <> o.opening + o.delta),
         ('version', NULL, o.version, o.changes, o.version <> o.changes),
         ('opening', o.first[1], o.first[2], o.opening, o.first[2] <> o.opening),
         ('beginning', o.first[1], o.first[3], 0, o.first[3] <> 0),
         ('chain', o.jump[1], o.jump[2], o.jump[3], o.jump IS NOT NULL),
         ('order', o.skip[1], o.skip[2], o.skip[3], o.skip IS NOT NULL)
     ) v (what, entry_id, said, counted, wrong)
     WHERE v.wrong
     ORDER BY o.user_id, v.what;
END $$;

-- Changed limits without their message and messages without their change, of entries after one number up to another
-- and of users from one id to another.
CREATE FUNCTION limits.unreconciled_messages(p_after bigint, p_through bigint, p_from bigint, p_to bigint)
RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT CASE WHEN o.entry_id IS NULL THEN 'message_missing' WHEN l.entry_id IS NULL THEN 'message_astray'
                ELSE 'message' END,
           coalesce(l.review_id, o.review_id), NULL::integer, coalesce(l.user_id, o.user_id),
           coalesce(l.entry_id, o.entry_id), NULL::numeric, NULL::numeric
      FROM (SELECT x.entry_id, x.review_id, x.user_id, x.as_of, x.action
              FROM limits.adjustment_log x
             WHERE x.entry_id > p_after AND x.entry_id <= p_through AND x.user_id BETWEEN p_from AND p_to
               AND x.action <> 0) l
      FULL JOIN (SELECT x.entry_id, x.review_id, x.user_id, x.as_of, x.kind
                   FROM limits.outbox x
                  WHERE x.entry_id > p_after AND x.entry_id <= p_through AND x.user_id BETWEEN p_from AND p_to) o
        ON o.entry_id = l.entry_id
     WHERE l.entry_id IS NULL OR o.entry_id IS NULL
        OR (l.review_id, l.user_id, l.as_of) <> (o.review_id, o.user_id, o.as_of)
        OR o.kind <> CASE WHEN l.action > 0 THEN 'limit_raised' ELSE 'limit_lowered' END
     ORDER BY 5;
END $$;

-- Reviews as of some dates, and of some numbers, whose rows are not what the log says: shard by shard with the
-- batches, and the row itself once the review is done. Before 0018 neither batches nor the exposure of a shard were
-- kept for all; those reviews are known by not saying whose login asked for them.
CREATE FUNCTION limits.unreconciled_reviews(p_from date, p_to date, p_first bigint, p_last bigint)
RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH meant AS (
        SELECT r.* FROM limits.reviews r
         WHERE r.business_date BETWEEN p_from AND p_to AND r.review_id BETWEEN p_first AND p_last
    ), entries AS (
        SELECT l.review_id, l.as_of, l.shard, count(*) AS users,
               count(*) FILTER (WHERE l.limit_after_minor > l.limit_before_minor) AS raised,
               count(*) FILTER (WHERE l.limit_after_minor = l.limit_before_minor) AS held,
               count(*) FILTER (WHERE l.limit_after_minor < l.limit_before_minor) AS lowered,
               sum(l.limit_before_minor) AS before, sum(l.limit_after_minor) AS after
          FROM limits.adjustment_log l
         WHERE l.as_of BETWEEN p_from AND p_to AND l.review_id BETWEEN p_first AND p_last
         GROUP BY l.review_id, l.as_of, l.shard
    ), logged AS (
        SELECT e.* FROM entries e JOIN meant r ON r.review_id = e.review_id AND r.business_date = e.as_of
    ), by_shard AS (
        SELECT review_id, shard, s.review_id IS NOT NULL AS planned, s.users_raised, s.users_held, s.users_lowered,
               s.exposure_before_minor, s.exposure_after_minor, b.users AS batch_users, b.delta AS batch_delta,
               coalesce(l.users, 0) AS users, coalesce(l.raised, 0) AS raised, coalesce(l.held, 0) AS held,
               coalesce(l.lowered, 0) AS lowered, coalesce(l.before, 0) AS before, coalesce(l.after, 0) AS after
          FROM (SELECT x.* FROM limits.shards x JOIN meant m USING (review_id)) s
          FULL JOIN logged l USING (review_id, shard)
          FULL JOIN (SELECT x.review_id, x.shard, sum(x.users) AS users, sum(x.delta_minor) AS delta
                       FROM limits.batches x JOIN meant m USING (review_id)
                      GROUP BY x.review_id, x.shard) b USING (review_id, shard)
    ), whole AS (
        SELECT m.*, l.raised, l.held, l.lowered, l.before, l.after, x.quarantined, x.skipped
          FROM meant m
          LEFT JOIN (SELECT y.review_id, sum(y.raised) AS raised, sum(y.held) AS held, sum(y.lowered) AS lowered,
                            sum(y.before) AS before, sum(y.after) AS after
                       FROM logged y GROUP BY y.review_id) l ON l.review_id = m.review_id
          LEFT JOIN (SELECT y.review_id, count(*) FILTER (WHERE y.outcome = 'quarantined') AS quarantined,
                            count(*) FILTER (WHERE y.outcome = 'skipped') AS skipped
                       FROM limits.review_exceptions y JOIN meant USING (review_id)
                      GROUP BY y.review_id) x ON x.review_id = m.review_id
         WHERE m.state = 'done'
    )
    SELECT 'astray', e.review_id, e.shard, NULL::bigint, NULL::bigint, NULL::numeric, e.users::numeric
      FROM entries e
     WHERE NOT EXISTS (SELECT FROM meant m WHERE m.review_id = e.review_id AND m.business_date = e.as_of)
    UNION ALL
    SELECT v.what, s.review_id, s.shard, NULL, NULL, v.said, v.counted
      FROM by_shard s JOIN meant m ON m.review_id = s.review_id
     CROSS JOIN LATERAL (VALUES
         ('shard_raised', s.users_raised::numeric, s.raised::numeric, true),
         ('shard_held', s.users_held, s.held, true),
         ('shard_lowered', s.users_lowered, s.lowered, true),
         ('shard_before', s.exposure_before_minor, s.before, m.session_role IS NOT NULL),
         ('shard_after', s.exposure_after_minor, s.after, m.session_role IS NOT NULL),
         ('batch_users', coalesce(s.batch_users, 0), s.users, m.session_role IS NOT NULL),
         ('batch_delta', coalesce(s.batch_delta, 0), s.after - s.before, m.session_role IS NOT NULL)
     ) v (what, said, counted, kept)
     WHERE v.kept AND v.said IS DISTINCT FROM v.counted
    UNION ALL
    SELECT v.what, w.review_id, NULL, NULL, NULL, v.said, v.counted
      FROM whole w
     CROSS JOIN LATERAL (VALUES
         ('review_raised', w.users_raised::numeric, coalesce(w.raised, 0)),
         ('review_held', w.users_held, coalesce(w.held, 0)),
         ('review_lowered', w.users_lowered, coalesce(w.lowered, 0)),
         ('review_quarantined', w.users_quarantined, coalesce(w.quarantined, 0)),
         ('review_skipped', w.users_skipped, coalesce(w.skipped, 0)),
         ('review_before', w.exposure_before_minor, coalesce(w.before, 0)),
         ('review_after', w.exposure_after_minor, coalesce(w.after, 0)),
         ('review_users', w.users_total, coalesce(w.raised + w.held + w.lowered, 0)
                                         + coalesce(w.quarantined + w.skipped, 0))
     ) v (what, said, counted)
     WHERE v.said IS DISTINCT FROM v.counted
     ORDER BY 2, 3 NULLS LAST, 1;
END $$;

-- One review: its own rows, everything that its users ever changed, and the messages about it. p_holds as above.
CREATE FUNCTION limits.unreconciled_review(p_review bigint, p_holds boolean) RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_day   date := (SELECT r.business_date FROM limits.reviews r WHERE r.review_id = p_review);
    v_first bigint;
    v_last  bigint;
    v_shard record;
BEGIN
    RETURN QUERY SELECT * FROM limits.unreconciled_reviews(v_day, v_day, p_review, p_review);
    FOR v_shard IN SELECT s.user_from, s.user_to FROM limits.shards s WHERE s.review_id = p_review ORDER BY s.shard LOOP
        RETURN QUERY SELECT * FROM limits.unreconciled_users(v_shard.user_from, v_shard.user_to, p_holds);
    END LOOP;
    SELECT min(l.entry_id), max(l.entry_id) INTO v_first, v_last
      FROM limits.adjustment_log l WHERE l.as_of = v_day AND l.review_id = p_review;
    IF v_first IS NOT NULL THEN
        RETURN QUERY SELECT * FROM limits.unreconciled_messages(v_first - 1, v_last, 0, 9223372036854775807);
    END IF;
END $$;

CREATE FUNCTION limits.in_words(m limits.mismatch) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(', ', 'review ' || m.review_id, 'shard ' || m.shard, 'user ' || m.user_id, 'entry ' || m.entry_id)
           || ': ' || format(CASE m.what
               WHEN 'line' THEN 'there is no credit line, and the log has entries: %2$s'
               WHEN 'limit' THEN 'the limit is %s, and by the log it is %s'
               WHEN 'version' THEN 'the version is %s, and the changes in the log are %s'
               WHEN 'opening' THEN 'the first entry begins at a limit of %s, and the line opened with %s'
               WHEN 'beginning' THEN 'the first entry begins at version %s'
               WHEN 'chain' THEN 'it begins at a limit of %s, and the entry before ended at %s'
               WHEN 'order' THEN 'it begins at version %s, and the entry before ended at %s'
               WHEN 'message_missing' THEN 'a limit changed without a message'
               WHEN 'message_astray' THEN 'a message without a changed limit'
               WHEN 'message' THEN 'the message is about another change'
               WHEN 'astray' THEN 'there is no such review of that date, and the log has entries of it: %2$s'
               WHEN 'batch_users' THEN 'users of its batches %s, in the log %s'
               WHEN 'batch_delta' THEN 'its batches changed limits by %s, and the log by %s'
               WHEN 'shard_before' THEN 'exposure before %s, by the log %s'
               WHEN 'shard_after' THEN 'exposure after %s, by the log %s'
               WHEN 'review_before' THEN 'exposure before %s, by the log %s'
               WHEN 'review_after' THEN 'exposure after %s, by the log %s'
               WHEN 'review_quarantined' THEN 'users quarantined %s, put aside so %s'
               WHEN 'review_skipped' THEN 'users skipped %s, put aside so %s'
               WHEN 'review_users' THEN 'users %s, decided or put aside %s'
               ELSE 'users ' || split_part(m.what, '_', 2) || ' %s, in the log %s' END,
               coalesce(m.said::text, 'unknown'), coalesce(m.counted::text, 'unknown'))
$$;

-- After a review ----------------------------------------------------------------------------

-- What each review of a schedule came to when it was reconciled, once it was over. A row is made in the transaction
-- that ends the review, so that none is forgotten, and filled by reconcile_review alone, once.
CREATE TABLE limits.reconciliations (
    review_id    bigint PRIMARY KEY REFERENCES limits.reviews,
    owed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    at           timestamptz,
    ok           boolean,
    mismatches   bigint NOT NULL DEFAULT 0,     -- that no reconciliation had found before
    known        bigint NOT NULL DEFAULT 0,     -- that one had, and that are still there
    detail       text NOT NULL DEFAULT '',      -- the first of those that are new in words, a line each
    session_role text NOT NULL DEFAULT session_user,
    CHECK ((at IS NULL) = (ok IS NULL)),
    CHECK (ok IS NOT FALSE OR detail <> ''),
    CHECK (ok IS NOT TRUE OR mismatches = 0)
);
CREATE INDEX reconciliations_owed ON limits.reconciliations (review_id) WHERE at IS NULL;
CREATE INDEX reconciliations_failed ON limits.reconciliations (review_id) WHERE NOT ok;

-- What a reconciliation has found, once each: it halted then, and a person let it go on. What is broken in a log that
-- nobody may change stays so; it does not halt every night.
CREATE TABLE limits.mismatches (
    mismatch text PRIMARY KEY,                  -- limits.name_of
    found_by bigint NOT NULL REFERENCES limits.reviews,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    words    text NOT NULL
);
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.mismatches
    FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.mismatches
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.mismatches ENABLE ALWAYS TRIGGER append_only_rows, ENABLE ALWAYS TRIGGER append_only_truncate;

-- The same for as long as it is off by the same amount: a limit that is 5 too high and is raised is 5 too high.
CREATE FUNCTION limits.name_of(m limits.mismatch) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%s %s %s %s %s %s', m.what, coalesce(m.review_id, 0), coalesce(m.shard, -1), coalesce(m.user_id, 0),
                  coalesce(m.entry_id, 0), m.said - m.counted)
$$;

CREATE FUNCTION limits.guard_reconciliation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.at IS NULL AND NEW.review_id = OLD.review_id THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what reconciling review % came to stays: % refused', OLD.review_id, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER guard_reconciliation BEFORE UPDATE OR DELETE ON limits.reconciliations
    FOR EACH ROW EXECUTE FUNCTION limits.guard_reconciliation();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.reconciliations
    FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting();
ALTER TABLE limits.reconciliations
    ENABLE ALWAYS TRIGGER guard_reconciliation, ENABLE ALWAYS TRIGGER append_only_truncate;

CREATE FUNCTION limits.owe_reconciliation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    INSERT INTO limits.reconciliations (review_id) VALUES (NEW.review_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER owe_reconciliation AFTER UPDATE OF state ON limits.reviews FOR EACH ROW
    WHEN (NEW.kind = 'scheduled' AND NEW.state IN ('done', 'cancelled') AND OLD.state <> NEW.state)
    EXECUTE FUNCTION limits.owe_reconciliation();
ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER owe_reconciliation;

-- Nothing more is applied until a person has looked and turns the switch. Where somebody engaged it before, that stays
-- so, and whoever disengages it reads both reasons.
CREATE FUNCTION limits.halt_for_mismatch(p_review bigint, p_words text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_reason text := format('reconciliation of review %s: %s', p_review, p_words);
BEGIN
    IF NOT limits.set_kill_switch(true, 'reconcile', v_reason) THEN
        UPDATE limits.kill_switch SET reason = left(v_reason || '; before that: ' || reason, 2000);
        INSERT INTO limits.kill_switch_events (engaged, actor, reason) VALUES (true, 'reconcile', v_reason);
    END IF;
END $$;

-- Reconciles a review that is over, once; what it came to, no row for one that owes nothing. Whoever comes second waits
-- and gets what the first one found. What was found before does not halt again.
CREATE FUNCTION limits.reconcile_review(p_review bigint) RETURNS SETOF limits.reconciliations
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_count bigint;
    v_known bigint := 0;
    v_words text[];
BEGIN
    PERFORM 1 FROM limits.reconciliations r WHERE r.review_id = p_review AND r.at IS NULL FOR UPDATE;
    IF FOUND THEN
        BEGIN
            -- One statement, so one moment of everything that is compared.
            WITH found AS MATERIALIZED (
                SELECT limits.name_of(m) AS name, limits.in_words(m) AS words, row_number() OVER () AS number
                  FROM limits.unreconciled_review(p_review, false) m
            ), new AS (
                INSERT INTO limits.mismatches (mismatch, found_by, words)
                SELECT f.name, p_review, f.words FROM found f ORDER BY f.number
                ON CONFLICT DO NOTHING
                RETURNING mismatch
            )
            SELECT (SELECT count(*) FROM new), (SELECT count(*) FROM found) - (SELECT count(*) FROM new),
                   (SELECT array_agg(first.words ORDER BY first.number)
                      FROM (SELECT f.words, f.number FROM found f JOIN new n ON n.mismatch = f.name
                             ORDER BY f.number LIMIT 20) first)
              INTO v_count, v_known, v_words;
        EXCEPTION WHEN data_exception THEN
            -- Amounts that cannot be added up do not add up, and nobody knows what else does not.
            v_count := 1;
            v_words := ARRAY[format('review %s: its amounts cannot be added up: %s', p_review, SQLERRM)];
        END;
        UPDATE limits.reconciliations r
           SET at = clock_timestamp(), ok = v_count = 0, mismatches = v_count, known = v_known,
               session_role = session_user,
               detail = coalesce(array_to_string(v_words, E'\n'), '')
         WHERE r.review_id = p_review;
        IF v_count > 0 THEN
            PERFORM limits.halt_for_mismatch(p_review, CASE v_count WHEN 1 THEN v_words[1] ELSE
                format('%s things do not add up, the first: %s', v_count, v_words[1]) END);
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM limits.reconciliations r WHERE r.review_id = p_review;
END $$;

-- Who may -----------------------------------------------------------------------------------

REVOKE EXECUTE ON FUNCTION limits.unreconciled_users, limits.unreconciled_messages, limits.unreconciled_reviews,
    limits.unreconciled_review, limits.in_words, limits.name_of, limits.guard_reconciliation, limits.owe_reconciliation,
    limits.halt_for_mismatch, limits.reconcile_review FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.unreconciled_users, limits.unreconciled_messages, limits.unreconciled_reviews,
    limits.unreconciled_review, limits.in_words TO limits_operations, limits_auditor;
GRANT EXECUTE ON FUNCTION limits.reconcile_review TO limits_worker, limits_operations;
GRANT SELECT ON limits.reconciliations, limits.mismatches TO limits_worker, limits_operations, limits_auditor;
-- The report of overrides counts by person.
GRANT EXECUTE ON FUNCTION limits.person TO limits_auditor;

RESET ROLE;
