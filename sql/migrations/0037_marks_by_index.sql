-- depends: 0036_canary_by_users
-- Marking changed users costs the same for each, however many there are. The marks are often none when a session plans the
-- query, and what it plans then it keeps: it walked over all marks for each changed user, a minute for ten thousand.

SET LOCAL ROLE limits_owner;

-- As in 0016. Whether a user has a mark is looked up in the index, user by user: LIMIT keeps the planner from making a join
-- of it, and without sequential scans it takes the index also of an empty table.
CREATE OR REPLACE FUNCTION limits.mark_dirty_users() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp SET enable_seqscan = off AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        -- Whoever has read the table in order to pack is done before it can be truncated.
        DELETE FROM limits.packed_users;
        RETURN NULL;
    END IF;
    INSERT INTO limits.dirty_users (user_id)
    SELECT c.user_id FROM (SELECT DISTINCT user_id FROM changed) c
     WHERE (SELECT d.user_id FROM limits.dirty_users d
             WHERE d.user_id = c.user_id AND d.marked_in = pg_current_xact_id() LIMIT 1) IS NULL;
    IF TG_OP = 'UPDATE' THEN   -- a row may have been given to another user
        INSERT INTO limits.dirty_users (user_id)
        SELECT b.user_id FROM (SELECT DISTINCT user_id FROM before) b
         WHERE (SELECT d.user_id FROM limits.dirty_users d
                 WHERE d.user_id = b.user_id AND d.marked_in = pg_current_xact_id() LIMIT 1) IS NULL;
    END IF;
    RETURN NULL;
END $$;

RESET ROLE;
