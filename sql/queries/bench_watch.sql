-- Writes down when a review and its shards change their state, in a schema of the benchmark's own: once or twice a shard, and exact.
CREATE SCHEMA bench;
CREATE TABLE bench.marks (
    review_id bigint NOT NULL,
    shard     integer,          -- NULL: of the review
    stage     text,             -- of the review
    state     text NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION bench.mark_review() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO bench.marks (review_id, stage, state) VALUES (NEW.review_id, to_jsonb(NEW) ->> 'stage', NEW.state);
    RETURN NULL;
END $$;
CREATE FUNCTION bench.mark_shard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO bench.marks (review_id, shard, state) VALUES (NEW.review_id, NEW.shard, NEW.state);
    RETURN NULL;
END $$;
CREATE TRIGGER bench_mark AFTER UPDATE ON limits.reviews
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION bench.mark_review();
CREATE TRIGGER bench_mark AFTER UPDATE ON limits.shards
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION bench.mark_shard();
