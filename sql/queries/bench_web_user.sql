-- A user with an open credit line, for pages about one user.
WITH made AS (INSERT INTO limits.users (user_id, currency, opened_on, source)
              SELECT u, 'CZK', %(day)s::date, 'bench' FROM generate_series(1, %(users)s::bigint) u)
INSERT INTO limits.credit_lines (user_id, currency, limit_minor, opening_limit_minor, opened_on)
SELECT u, 'CZK', 1000000, 1000000, %(day)s::date FROM generate_series(1, %(users)s::bigint) u
