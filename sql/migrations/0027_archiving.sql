-- depends: 0026_verifying
-- Old months of the adjustment log leave the database for archives: Parquet files with the bytes of the entries and the
-- proofs that they stand in the signed tree. What stays here: the records and the tree over them, a row that says which
-- file it is and what it comes to, and for each user what the limits, the versions and the dates of the log go on from.

SET LOCAL ROLE limits_owner;

-- For how many days the log is kept after the end of a month at least. The CHECK is the legal minimum: whoever keeps
-- the log for longer raises the number, and nobody lowers it. Changed by the owner alone, as the row is.
ALTER TABLE limits.retention
    ADD COLUMN log_days integer NOT NULL DEFAULT 1830 CHECK (log_days BETWEEN 1830 AND 100000);
CREATE OR REPLACE VIEW limits_read.retention AS SELECT * FROM limits.retention;

CREATE TABLE limits.archived_months (
    month        date PRIMARY KEY CHECK (month = date_trunc('month', month::timestamp)::date),
    entries      bigint NOT NULL CHECK (entries > 0),
    batches      bigint NOT NULL CHECK (batches > 0),
    changes      bigint NOT NULL CHECK (changes >= 0),   -- entries that changed a limit, and so messages in the outbox
    delta_minor  bigint NOT NULL,                        -- what they changed in all
    notices      bigint NOT NULL CHECK (notices >= 0),
    waiting      bigint NOT NULL CHECK (waiting >= 0),   -- offered and announced changes
    first_entry  bigint NOT NULL,
    last_entry   bigint NOT NULL,
    file_name    text NOT NULL CHECK (file_name <> '' AND length(file_name) <= 255),
    sha256       bytea NOT NULL CHECK (length(sha256) = 32),
    actor        text NOT NULL CHECK (actor <> ''),
    session_role text NOT NULL DEFAULT session_user,
    archived_at  timestamptz NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(archived_at))
);

-- Of each user whose limit an archived month changed: what the log goes on from.
CREATE TABLE limits.archived_lines (
    user_id            bigint NOT NULL,
    month              date NOT NULL REFERENCES limits.archived_months,
    changes            bigint NOT NULL CHECK (changes > 0),
    delta_minor        bigint NOT NULL,
    limit_after_minor  bigint NOT NULL,                  -- after the last of them
    version_after      bigint NOT NULL,
    last_raise_on      date,
    last_cut_on        date,
    before_cut_minor   bigint,                           -- the limit before the last cut
    PRIMARY KEY (user_id, month)
);

DO $do$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['archived_months', 'archived_lines'] LOOP
        EXECUTE format('CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON limits.%I
                        FOR EACH ROW EXECUTE FUNCTION limits.refuse_rewriting()', t);
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON limits.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION limits.refuse_rewriting()', t);
        EXECUTE format('ALTER TABLE limits.%I ENABLE ALWAYS TRIGGER append_only_rows,
                                              ENABLE ALWAYS TRIGGER append_only_truncate', t);
        EXECUTE format('CREATE VIEW limits_read.%I AS SELECT * FROM limits.%I', t, t);
        EXECUTE format('GRANT SELECT ON limits.%I TO limits_worker, limits_operations', t);
        EXECUTE format('GRANT SELECT ON limits_read.%I TO limits_worker, limits_operations, limits_auditor', t);
    END LOOP;
END $do$;

-- The first day that no archive has; months are archived oldest first, so that nothing before it is left here.
CREATE FUNCTION limits.log_begins() RETURNS date
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT coalesce((max(a.month) + interval '1 month')::date, '-infinity') FROM limits.archived_months a
$$;

-- What is archived stays as it is ------------------------------------------------------------

-- No review as of a date that is in an archive. Whoever archives has the turn to make months; of dates that may be
-- archived, and of no others, a review waits for it.
CREATE FUNCTION limits.refuse_archived() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
BEGIN
    IF NEW.business_date + (SELECT r.log_days FROM limits.retention r) < (clock_timestamp() AT TIME ZONE 'UTC')::date THEN
        PERFORM 1 FROM limits.turns WHERE turn = 'month' FOR SHARE;
    END IF;
    IF NEW.business_date < limits.log_begins() THEN
        RAISE EXCEPTION 'the log up to % is in archives: nothing is decided as of % any more',
            limits.log_begins() - 1, NEW.business_date USING ERRCODE = 'LM023';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_archived BEFORE INSERT OR UPDATE OF state, business_date ON limits.reviews
    FOR EACH ROW WHEN (NEW.state IN ('owed', 'running', 'held')) EXECUTE FUNCTION limits.refuse_archived();
ALTER TABLE limits.reviews ENABLE ALWAYS TRIGGER refuse_archived;

-- Archiving ----------------------------------------------------------------------------------

-- Why a month cannot be archived, as a sentence; NULL: it can. The one place where that is written: shown before, and
-- asked again by archive_month under its locks.
CREATE FUNCTION limits.archive_obstacle(p_month date) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_next  date := (p_month + interval '1 month')::date;
    v_least integer := (SELECT r.log_days FROM limits.retention r);
    v_days  integer := (clock_timestamp() AT TIME ZONE 'UTC')::date - ((p_month + interval '1 month')::date - 1);
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

-- The one way in which a month of the log goes: p_entries and p_delta are what was read out of the file, p_batches how
-- many batches it has. True: the month is archived by this call; false: it was before, in this very file.
-- No lock is waited for longer than an ordinary session waits before it looks for a deadlock: whoever meets this one
-- goes on, and this one comes again.
CREATE FUNCTION limits.archive_month(p_month date, p_entries bigint, p_batches bigint, p_delta bigint, p_file text,
                                     p_sha256 bytea, p_actor text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' SET lock_timeout = '900ms' AS $$
DECLARE
    v_next  date := (p_month + interval '1 month')::date;
    v_name  text := format('adjustment_log_%s', to_char(p_month, 'YYYY_MM'));
    v_there limits.archived_months;
    v_why   text;
    v_found record;
BEGIN
    PERFORM 1 FROM limits.turns WHERE turn = 'month' FOR UPDATE;
    SELECT * INTO v_there FROM limits.archived_months a WHERE a.month = p_month;
    IF FOUND THEN
        IF v_there.sha256 = p_sha256 THEN
            RETURN false;
        END IF;
        RAISE EXCEPTION 'the log of % was archived as % at %, and that is another file',
            to_char(p_month, 'YYYY-MM'), v_there.file_name, v_there.archived_at USING ERRCODE = 'LM021';
    END IF;
    -- Nobody writes to the month from here on; the locks below wait for those who read.
    IF to_regclass(format('limits.%I', v_name)) IS NOT NULL THEN
        EXECUTE format('LOCK TABLE limits.%I IN SHARE MODE', v_name);
    END IF;
    v_why := limits.archive_obstacle(p_month);
    IF v_why IS NOT NULL THEN
        RAISE EXCEPTION 'the log of % is not archived: %', to_char(p_month, 'YYYY-MM'), v_why USING ERRCODE = 'LM021';
    END IF;
    SELECT count(*) AS entries, count(DISTINCT l.batch_id) AS batches, count(*) FILTER (WHERE l.action <> 0) AS changes,
           sum(l.limit_after_minor - l.limit_before_minor) AS delta, min(l.entry_id) AS first, max(l.entry_id) AS last
      INTO v_found FROM limits.adjustment_log l WHERE l.as_of >= p_month AND l.as_of < v_next;
    IF (v_found.entries, v_found.batches, v_found.delta) IS DISTINCT FROM (p_entries, p_batches, p_delta::numeric) THEN
        RAISE EXCEPTION 'the log of % has % entries in % batches that changed limits by %, and the file % in % by %',
            to_char(p_month, 'YYYY-MM'), v_found.entries, v_found.batches, v_found.delta, p_entries, p_batches, p_delta
            USING ERRCODE = 'LM021';
    END IF;
    INSERT INTO limits.archived_months (month, entries, batches, changes, delta_minor, notices, waiting, first_entry,
                                        last_entry, file_name, sha256, actor)
    VALUES (p_month, v_found.entries, v_found.batches, v_found.changes, v_found.delta,
            (SELECT count(*) FROM limits.notices n WHERE n.as_of >= p_month AND n.as_of < v_next),
            (SELECT count(*) FROM limits.pending_changes w WHERE w.as_of >= p_month AND w.as_of < v_next),
            v_found.first, v_found.last, p_file, p_sha256, p_actor);
    INSERT INTO limits.archived_lines (user_id, month, changes, delta_minor, limit_after_minor, version_after,
                                       last_raise_on, last_cut_on, before_cut_minor)
    SELECT l.user_id, p_month, count(*), sum(l.limit_after_minor - l.limit_before_minor),
           (array_agg(l.limit_after_minor ORDER BY l.version_after DESC))[1], max(l.version_after),
           max(l.as_of) FILTER (WHERE l.action > 0), max(l.as_of) FILTER (WHERE l.action < 0),
           (array_agg(l.limit_before_minor ORDER BY l.version_after DESC) FILTER (WHERE l.action < 0))[1]
      FROM limits.adjustment_log l
     WHERE l.as_of >= p_month AND l.as_of < v_next AND l.action <> 0
     GROUP BY l.user_id;
    EXECUTE format('ALTER TABLE limits.adjustment_log DETACH PARTITION limits.%I', v_name);
    EXECUTE format('DROP TABLE limits.%I', v_name);
    RETURN true;
END $$;

-- Whether it all adds up ----------------------------------------------------------------------

-- Where an entry does not begin as the one before it ended: which that is. And of amounts of a user, the currency.
ALTER TYPE limits.mismatch ADD ATTRIBUTE entry_before bigint, ADD ATTRIBUTE currency text;

-- As in 0022, and what the archives come to for a user stands before the first entry. Holds that were decided as of a
-- later month before a change that is archived have nothing left to follow, and are left out. Holds of one version
-- follow each other as they were logged.
CREATE OR REPLACE FUNCTION limits.unreconciled_users(p_from bigint, p_to bigint, p_holds boolean)
RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_archives boolean := EXISTS (SELECT FROM limits.archived_lines);
BEGIN
    RETURN QUERY
    WITH told AS (
        SELECT l.user_id, l.entry_id, l.limit_before_minor, l.limit_after_minor, l.version_before, l.version_after,
               lag(l.limit_after_minor) OVER w AS limit_then, lag(l.version_after) OVER w AS version_then,
               lag(l.entry_id) OVER w AS entry_then
          FROM limits.adjustment_log l
         WHERE l.user_id BETWEEN p_from AND p_to
           AND (l.action <> 0 OR p_holds AND (NOT v_archives OR l.version_before >= coalesce(
                   (SELECT max(k.version_after) FROM limits.archived_lines k WHERE k.user_id = l.user_id), 0)))
        WINDOW w AS (PARTITION BY l.user_id ORDER BY l.version_before, l.version_after, l.entry_id)
    ), added AS (
        SELECT t.user_id, count(*) AS entries, sum(t.limit_after_minor - t.limit_before_minor) AS delta,
               count(*) FILTER (WHERE t.limit_after_minor <> t.limit_before_minor) AS changes,
               min(ARRAY[t.entry_id, t.limit_before_minor, t.version_before])
                   FILTER (WHERE t.version_then IS NULL) AS first,
               min(ARRAY[t.entry_id, t.limit_before_minor, t.limit_then, t.entry_then])
                   FILTER (WHERE t.limit_then <> t.limit_before_minor) AS jump,
               min(ARRAY[t.entry_id, t.version_before, t.version_then, t.entry_then])
                   FILTER (WHERE t.version_then <> t.version_before) AS skip
          FROM told t
         GROUP BY t.user_id
    ), kept AS (
        SELECT k.user_id, sum(k.changes) AS changes, sum(k.delta_minor) AS delta, max(k.version_after) AS version,
               (array_agg(k.limit_after_minor ORDER BY k.version_after DESC))[1] AS ended
          FROM limits.archived_lines k
         WHERE k.user_id BETWEEN p_from AND p_to
         GROUP BY k.user_id
    ), odd AS (
        SELECT coalesce(c.user_id, a.user_id, k.user_id) AS user_id, c.user_id IS NULL AS lost, c.limit_minor, c.version,
               c.currency, c.opening_limit_minor AS opening,
               coalesce(a.entries, 0) + coalesce(k.changes, 0) AS entries,
               coalesce(a.delta, 0) + coalesce(k.delta, 0) AS delta,
               coalesce(a.changes, 0) + coalesce(k.changes, 0) AS changes, a.first, a.jump, a.skip,
               k.ended, coalesce(k.version, 0) AS kept_version, k.delta AS kept_delta, k.changes AS kept_changes
          FROM (SELECT * FROM limits.credit_lines x WHERE x.user_id BETWEEN p_from AND p_to) c
          FULL JOIN added a ON a.user_id = c.user_id
          FULL JOIN kept k ON k.user_id = coalesce(c.user_id, a.user_id)
         WHERE (a.jump IS NULL AND a.skip IS NULL
                -- Of the many of whom nothing is archived nothing more is added up.
                AND CASE WHEN k.user_id IS NULL
                    THEN c.limit_minor = c.opening_limit_minor + coalesce(a.delta, 0) AND c.version = coalesce(a.changes, 0)
                         AND (a.first[2] = c.opening_limit_minor AND a.first[3] = 0) IS NOT FALSE
                    ELSE c.limit_minor = c.opening_limit_minor + coalesce(a.delta, 0) + k.delta
                         AND c.version = coalesce(a.changes, 0) + k.changes
                         AND (a.first[2] = k.ended AND a.first[3] = k.version) IS NOT FALSE
                         AND k.ended = c.opening_limit_minor + k.delta AND k.version = k.changes END) IS NOT TRUE
    )
    SELECT v.what, NULL::bigint, NULL::integer, o.user_id, v.entry_id, v.said, v.counted, v.before,
           CASE WHEN v.what IN ('limit', 'opening', 'resumed', 'archived', 'chain') THEN o.currency::text END
      FROM odd o
     CROSS JOIN LATERAL (VALUES
         ('line', NULL::bigint, NULL::numeric, o.entries::numeric, o.lost, NULL::bigint),
         ('limit', NULL, o.limit_minor, o.opening + o.delta, o.limit_minor <> o.opening + o.delta, NULL),
         ('version', NULL, o.version, o.changes, o.version <> o.changes, NULL),
         ('opening', o.first[1], o.first[2], o.opening, o.ended IS NULL AND o.first[2] <> o.opening, NULL),
         ('resumed', o.first[1], o.first[2], o.ended, o.first[2] <> o.ended, NULL),
         ('beginning', o.first[1], o.first[3], o.kept_version, o.first[3] <> o.kept_version, NULL),
         ('archived', NULL, o.ended, o.opening + o.kept_delta, o.ended <> o.opening + o.kept_delta, NULL),
         ('archived_version', NULL, o.kept_version, o.kept_changes, o.kept_version <> o.kept_changes, NULL),
         ('chain', o.jump[1], o.jump[2], o.jump[3], o.jump IS NOT NULL, o.jump[4]),
         ('order', o.skip[1], o.skip[2], o.skip[3], o.skip IS NOT NULL, o.skip[4])
     ) v (what, entry_id, said, counted, wrong, before)
     WHERE v.wrong
     ORDER BY o.user_id, v.what;
END $$;

-- As in 0022; messages about archived entries are counted by month, in unreconciled_archives.
CREATE OR REPLACE FUNCTION limits.unreconciled_messages(p_after bigint, p_through bigint, p_from bigint, p_to bigint)
RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_begins date := limits.log_begins();
BEGIN
    RETURN QUERY
    SELECT CASE WHEN o.entry_id IS NULL THEN 'message_missing' WHEN l.entry_id IS NULL THEN 'message_astray'
                ELSE 'message' END,
           coalesce(l.review_id, o.review_id), NULL::integer, coalesce(l.user_id, o.user_id),
           coalesce(l.entry_id, o.entry_id), NULL::numeric, NULL::numeric, NULL::bigint, NULL::text
      FROM (SELECT x.entry_id, x.review_id, x.user_id, x.as_of, x.action
              FROM limits.adjustment_log x
             WHERE x.entry_id > p_after AND x.entry_id <= p_through AND x.user_id BETWEEN p_from AND p_to
               AND x.action <> 0) l
      FULL JOIN (SELECT x.entry_id, x.review_id, x.user_id, x.as_of, x.kind
                   FROM limits.outbox x
                  WHERE x.entry_id > p_after AND x.entry_id <= p_through AND x.user_id BETWEEN p_from AND p_to
                    AND x.as_of >= v_begins) o
        ON o.entry_id = l.entry_id
     WHERE l.entry_id IS NULL OR o.entry_id IS NULL
        OR (l.review_id, l.user_id, l.as_of) <> (o.review_id, o.user_id, o.as_of)
        OR o.kind <> CASE WHEN l.action > 0 THEN 'limit_raised' ELSE 'limit_lowered' END
     ORDER BY 5;
END $$;

-- As in 0022; reviews of archived months are added up by month, and an entry of such a month is astray.
CREATE OR REPLACE FUNCTION limits.unreconciled_reviews(p_from date, p_to date, p_first bigint, p_last bigint)
RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
DECLARE
    v_begins date := limits.log_begins();
BEGIN
    RETURN QUERY
    WITH meant AS (
        SELECT r.* FROM limits.reviews r
         WHERE r.business_date BETWEEN p_from AND p_to AND r.review_id BETWEEN p_first AND p_last
           AND r.business_date >= v_begins
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
    SELECT 'astray', e.review_id, e.shard, NULL::bigint, NULL::bigint, NULL::numeric, e.users::numeric, NULL::bigint,
           NULL::text
      FROM entries e
     WHERE NOT EXISTS (SELECT FROM meant m WHERE m.review_id = e.review_id AND m.business_date = e.as_of)
    UNION ALL
    SELECT v.what, s.review_id, s.shard, NULL, NULL, v.said, v.counted, NULL, NULL
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
    SELECT v.what, w.review_id, NULL, NULL, NULL, v.said, v.counted, NULL, NULL
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

-- The archives against what stays of their months: batches, shards, messages, and what is kept of the users.
CREATE FUNCTION limits.unreconciled_archives() RETURNS SETOF limits.mismatch
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_begins date := limits.log_begins();
BEGIN
    IF v_begins = '-infinity' THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH meant AS (
        SELECT r.review_id, date_trunc('month', r.business_date)::date AS month
          FROM limits.reviews r WHERE r.business_date < v_begins
    ), b AS (
        SELECT m.month, sum(x.users) AS users, sum(x.delta_minor) AS delta
          FROM meant m JOIN limits.batches x USING (review_id) GROUP BY m.month
    ), s AS (
        SELECT m.month, sum(x.users_raised + x.users_held + x.users_lowered) AS users
          FROM meant m JOIN limits.shards x USING (review_id) GROUP BY m.month
    ), o AS (
        SELECT date_trunc('month', x.as_of)::date AS month, count(*) AS messages
          FROM limits.outbox x WHERE x.as_of < v_begins GROUP BY 1
    ), k AS (
        SELECT x.month, sum(x.changes) AS changes, sum(x.delta_minor) AS delta
          FROM limits.archived_lines x GROUP BY x.month
    )
    SELECT v.what || ' ' || to_char(month, 'YYYY-MM'), NULL::bigint, NULL::integer, NULL::bigint, NULL::bigint,
           v.said, v.counted, NULL::bigint, NULL::text
      FROM limits.archived_months a FULL JOIN b USING (month) FULL JOIN s USING (month) FULL JOIN o USING (month)
      FULL JOIN k USING (month)
     CROSS JOIN LATERAL (VALUES
         ('archive_entries', coalesce(a.entries, 0)::numeric, coalesce(b.users, 0)::numeric),
         ('archive_delta', coalesce(a.delta_minor, 0), coalesce(b.delta, 0)),
         ('archive_shards', coalesce(a.entries, 0), coalesce(s.users, 0)),
         ('archive_lines', coalesce(a.delta_minor, 0), coalesce(k.delta, 0)),
         ('archive_changes', coalesce(a.changes, 0), coalesce(k.changes, 0)),
         ('archive_messages', coalesce(a.changes, 0), coalesce(o.messages, 0))
     ) v (what, said, counted)
     WHERE v.said <> v.counted
     ORDER BY 1;
END $$;

-- 6480000 as 64,800.00 CZK; as it is where the currency is not known.
CREATE FUNCTION limits.in_major(p_minor numeric, p_currency text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    SELECT coalesce((SELECT to_char(p_minor / 10::numeric ^ c.exponent, 'FM999,999,999,999,999,999,990'
                                    || left('.0000', sign(c.exponent)::integer + c.exponent)) || ' ' || c.currency
                       FROM limits.currencies c WHERE c.currency = p_currency), p_minor::text, 'unknown')
$$;

CREATE OR REPLACE FUNCTION limits.in_words(m limits.mismatch) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(', ', 'archive of ' || nullif(split_part(m.what, ' ', 2), ''), 'review ' || m.review_id,
                     'shard ' || m.shard, 'user ' || m.user_id, 'entry ' || m.entry_id)
           || ': ' || format(CASE split_part(m.what, ' ', 1)
               WHEN 'line' THEN 'there is no credit line, and the log has entries: %2$s'
               WHEN 'limit' THEN 'the limit is %s, and by the log it is %s'
               WHEN 'version' THEN 'the version is %s, and the changes in the log are %s'
               WHEN 'opening' THEN 'the first entry begins at a limit of %s, and the line opened with %s'
               WHEN 'beginning' THEN 'the first entry begins at version %s'
               WHEN 'resumed' THEN 'the first entry begins at a limit of %s, and the archives end at %s'
               WHEN 'archived' THEN 'the archives end at a limit of %s, and by what they add up to it is %s'
               WHEN 'archived_version' THEN 'the archives end at version %s, and have %s changes'
               WHEN 'archive_entries' THEN 'its entries are %s, and the users of its batches %s'
               WHEN 'archive_delta' THEN 'it changed limits by %s, and its batches by %s'
               WHEN 'archive_shards' THEN 'its entries are %s, and the users of its shards %s'
               WHEN 'archive_lines' THEN 'it changed limits by %s, and what is kept of its users by %s'
               WHEN 'archive_changes' THEN 'its changes are %s, and what is kept of its users has %s'
               WHEN 'archive_messages' THEN 'its changes are %s, and the messages about it %s'
               WHEN 'chain' THEN 'it begins at a limit of %s, and entry %3$s before it ended at %2$s'
               WHEN 'order' THEN 'it begins at version %s, and entry %3$s before it ended at %2$s'
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
               limits.in_major(m.said, m.currency), limits.in_major(m.counted, m.currency), m.entry_before)
$$;

-- Who may -----------------------------------------------------------------------------------

-- Who archives, one at a time: the whole of it, from the first look to the end, while archive_month is the last step.
INSERT INTO limits.turns VALUES ('archive');

REVOKE EXECUTE ON FUNCTION limits.log_begins, limits.refuse_archived, limits.archive_obstacle, limits.archive_month,
    limits.unreconciled_archives, limits.in_major FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits.log_begins TO limits_worker, limits_operations, limits_auditor;
GRANT EXECUTE ON FUNCTION limits.unreconciled_archives, limits.in_major TO limits_operations, limits_auditor;

RESET ROLE;
