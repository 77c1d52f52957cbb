-- Tables for the design with a loop over users: credit lines like the product's own, and a plain log.
DROP TABLE IF EXISTS bench.naive_credit_lines, bench.naive_log;
CREATE TABLE bench.naive_credit_lines (LIKE limits.credit_lines INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE bench.naive_log (
    user_id bigint NOT NULL, as_of date NOT NULL, limit_before bigint NOT NULL, limit_after bigint NOT NULL,
    forecast double precision NOT NULL, decided_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (user_id, as_of)
);
