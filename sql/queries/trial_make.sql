-- For limits.bench.partitions: credit lines and packed users as plain, hash- or range-partitioned tables.
-- Kind, users and partitions come as settings, because what makes a table takes no parameters.
DO $$
DECLARE
    kind text := current_setting('trial.kind');
    users bigint := current_setting('trial.users')::bigint;
    partitions integer := current_setting('trial.partitions')::integer;
    width bigint := (users + partitions - 1) / partitions;
    part text;
    rule text;
BEGIN
    EXECUTE 'CREATE TABLE credit_lines (user_id bigint PRIMARY KEY, currency char(3) NOT NULL,'
        || ' limit_minor bigint NOT NULL, opening_limit_minor bigint NOT NULL, version bigint NOT NULL,'
        || ' last_raise_on date, last_cut_on date, opened_on date NOT NULL)'
        || CASE kind WHEN 'plain' THEN ' WITH (fillfactor = 70)' ELSE format(' PARTITION BY %s (user_id)', kind) END;
    EXECUTE 'CREATE TABLE packed_users (user_id bigint PRIMARY KEY, valid_from date NOT NULL,'
        || ' valid_until date NOT NULL, packed bytea NOT NULL)'
        || CASE kind WHEN 'plain' THEN '' ELSE format(' PARTITION BY %s (user_id)', kind) END;
    IF kind <> 'plain' THEN
        FOR n IN 0 .. partitions - 1 LOOP
            rule := CASE kind WHEN 'hash' THEN format('WITH (MODULUS %s, REMAINDER %s)', partitions, n)
                              ELSE format('FROM (%s) TO (%s)', n * width + 1, (n + 1) * width + 1) END;
            EXECUTE format('CREATE TABLE credit_lines_%s PARTITION OF credit_lines FOR VALUES %s'
                           ' WITH (fillfactor = 70)', n, rule);
            EXECUTE format('CREATE TABLE packed_users_%s PARTITION OF packed_users FOR VALUES %s', n, rule);
        END LOOP;
    END IF;
    INSERT INTO credit_lines
    SELECT n, 'CNY', 1000000 + n, 1000000, 0, NULL, NULL, DATE '2024-01-01' FROM generate_series(1, users) n;
    INSERT INTO packed_users
    SELECT n, DATE '2026-01-01', DATE '2027-01-01', convert_to(repeat(md5(n::text), 31), 'UTF8')
      FROM generate_series(1, users) n;
END
$$
