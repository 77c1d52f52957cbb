-- How many other users with a fraud in force share a device, phone, address or bank card with some
-- users, as of a date: one row for each user with any.
--
-- Both have been seen with it by the date, the fraud is confirmed by then and not withdrawn, and it
-- was confirmed after a person last cleared the user.
--
-- What it costs: the identifiers of the users asked for, and those of the users with a fraud in
-- force; never those of all who share a value, such as the phone of a call centre. Of each value the
-- 101 newest frauds are looked at, the most that anybody needs to hear of; so a count is
-- exact up to 100, and beyond it at least 100.
WITH confirmed AS MATERIALIZED (
    SELECT user_id, max(confirmed_on) AS confirmed_on
      FROM limits.fraud_cases
     WHERE confirmed_on <= %(as_of)s AND (withdrawn_on IS NULL OR withdrawn_on > %(as_of)s)
     GROUP BY user_id
), theirs AS MATERIALIZED (
    SELECT kind, value_sha256, user_id, confirmed_on
      FROM (SELECT i.kind, i.value_sha256, c.user_id, c.confirmed_on,
                   row_number() OVER (PARTITION BY i.kind, i.value_sha256
                                          ORDER BY c.confirmed_on DESC, c.user_id) AS place
              FROM confirmed c
              JOIN limits.identifiers i ON i.user_id = c.user_id AND i.seen_on <= %(as_of)s
             GROUP BY i.kind, i.value_sha256, c.user_id, c.confirmed_on) numbered
     WHERE place <= 101
), mine AS (
    SELECT i.user_id, i.kind, i.value_sha256, (SELECT max(cleared_on) FROM limits.fraud_clearances k
                                                WHERE k.user_id = i.user_id AND k.cleared_on <= %(as_of)s) AS cleared_on
      FROM limits.identifiers i
     WHERE i.user_id = ANY (%(user_ids)s::bigint[]) AND i.seen_on <= %(as_of)s
)
SELECT m.user_id, count(DISTINCT t.user_id) AS fraud_links
  FROM mine m
  JOIN theirs t ON t.kind = m.kind AND t.value_sha256 = m.value_sha256 AND t.user_id <> m.user_id
 WHERE m.cleared_on IS NULL OR t.confirmed_on > m.cleared_on
 GROUP BY m.user_id
