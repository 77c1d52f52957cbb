-- depends: 0035_log_indexes
-- The stages of the canary are shares of a review's users. They were shares of its shards, and one of eight shards is an
-- eighth of the users. Shards are cut so that stages end where they do (limits.breakers.shard_sizes).

SET LOCAL ROLE limits_owner;

-- The shards that may be applied next: of users, given for each shard in order, one in a hundred, then one in ten, then
-- all; one shard at least. Stages that do not differ from the one before fall away.
CREATE FUNCTION limits.next_release(p_users bigint[], p_released integer) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH so_far AS (
        SELECT place, sum(users) OVER (ORDER BY place) AS users
          FROM unnest(p_users) WITH ORDINALITY AS u(users, place)
    ), stages AS (
        SELECT greatest(count(*) FILTER (WHERE s.users <= (whole.users + one_in - 1) / one_in), 1)::integer AS stage
          FROM so_far s, unnest(ARRAY[100, 10, 1]) one_in, (SELECT max(users)::bigint AS users FROM so_far) whole
         GROUP BY one_in
    )
    SELECT min(stage) FROM stages WHERE stage > p_released
$$;

CREATE OR REPLACE FUNCTION limits.release_next(p_review bigint) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, limits, pg_temp AS $$
    UPDATE limits.reviews r
       SET stage = 'apply',
           released_shards = coalesce(limits.next_release(ARRAY(SELECT s.users_total FROM limits.shards s
                                                                 WHERE s.review_id = p_review ORDER BY s.shard),
                                                          r.released_shards),
                                      r.released_shards)
     WHERE r.review_id = p_review
    RETURNING r.released_shards
$$;

DROP FUNCTION limits.next_release(integer, integer);
REVOKE EXECUTE ON FUNCTION limits.next_release FROM PUBLIC;

RESET ROLE;
