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

RESET ROLE;
