-- An empty log and credit lines like the product's own: columns, defaults, checks, indexes, partitions, fill factors; in a schema of the benchmark's own.
DROP TABLE IF EXISTS bench.floor_adjustment_log, bench.floor_credit_lines;
CREATE OR REPLACE FUNCTION bench.make_like(p_from regclass, p_parent text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_from  pg_class;
    v_name  text;
    v_child regclass;
BEGIN
    SELECT * INTO v_from FROM pg_class WHERE oid = p_from;
    v_name := format('bench.%I', 'floor_' || v_from.relname);
    EXECUTE 'CREATE TABLE ' || v_name
        || CASE WHEN p_parent IS NULL THEN format(' (LIKE %s INCLUDING ALL)', p_from)
                ELSE format(' PARTITION OF %s %s', p_parent, pg_get_expr(v_from.relpartbound, p_from)) END
        || CASE WHEN v_from.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(p_from) ELSE '' END
        || CASE WHEN v_from.reloptions IS NULL THEN ''
                ELSE format(' WITH (%s)', array_to_string(v_from.reloptions, ', ')) END;
    FOR v_child IN SELECT inhrelid FROM pg_inherits WHERE inhparent = p_from LOOP
        PERFORM bench.make_like(v_child, v_name);
    END LOOP;
END $$;
SELECT bench.make_like('limits.adjustment_log', NULL);
SELECT bench.make_like('limits.credit_lines', NULL);
INSERT INTO bench.floor_credit_lines SELECT * FROM limits.credit_lines ORDER BY user_id;
