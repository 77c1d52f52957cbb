-- How many other users with a fraud in force share a device, phone, address or bank card with some
-- users, as of a date: one row for each user with any.
--
-- Both have been seen with it by the date, the fraud is confirmed by then and not withdrawn, and it
-- was confirmed after a person last cleared the user, or came in after that as either sighting may
-- have: a person clears what there is to be seen, and nothing that comes to light later.
--
-- What it costs: the identifiers of the users asked for, and the frauds that share one of their
-- values; never all users who share a value, such as the phone of a call centre. Of each value
-- the 101 newest frauds are counted, the most that anybody needs to hear of: a count is exact up
-- to 100, and beyond it at least 100.
WITH mine AS MATERIALIZED (
    SELECT i.user_id, i.kind, i.value_sha256, c.cleared_on, c.cleared_at, min(i.ingested_at) AS known_at
      FROM limits.identifiers i
      LEFT JOIN (SELECT user_id, max(cleared_on) AS cleared_on, max(created_at) AS cleared_at
                   FROM limits.fraud_clearances
                  WHERE user_id = ANY (%(user_ids)s::bigint[]) AND cleared_on <= %(as_of)s
                  GROUP BY user_id) c ON c.user_id = i.user_id
     WHERE i.user_id = ANY (%(user_ids)s::bigint[]) AND i.seen_on <= %(as_of)s
     GROUP BY i.user_id, i.kind, i.value_sha256, c.cleared_on, c.cleared_at
), shared AS MATERIALIZED (
    SELECT f.kind, f.value_sha256, f.user_id
      FROM (SELECT DISTINCT kind, value_sha256 FROM mine) m
      JOIN limits.fraud_identifiers f ON f.kind = m.kind AND f.value_sha256 = m.value_sha256
), theirs AS MATERIALIZED (
    SELECT kind, value_sha256, user_id, confirmed_on, known_at
      FROM (SELECT s.kind, s.value_sha256, s.user_id, c.confirmed_on, greatest(c.known_at, seen.known_at) AS known_at,
                   row_number() OVER (PARTITION BY s.kind, s.value_sha256
                                          ORDER BY c.confirmed_on DESC, s.user_id) AS place
              FROM shared s
              JOIN LATERAL (
                  SELECT max(confirmed_on) AS confirmed_on, max(known_at) AS known_at FROM limits.fraud_cases
                   WHERE user_id = s.user_id AND confirmed_on <= %(as_of)s
                     AND (withdrawn_on IS NULL OR withdrawn_on > %(as_of)s)) c ON c.confirmed_on IS NOT NULL
              JOIN LATERAL (
                  SELECT min(i.ingested_at) AS known_at FROM limits.identifiers i
                   WHERE i.user_id = s.user_id AND i.kind = s.kind AND i.value_sha256 = s.value_sha256
                     AND i.seen_on <= %(as_of)s) seen ON seen.known_at IS NOT NULL) numbered
     WHERE place <= 101
)
SELECT m.user_id, count(DISTINCT t.user_id) AS fraud_links
  FROM mine m
  JOIN theirs t ON t.kind = m.kind AND t.value_sha256 = m.value_sha256 AND t.user_id <> m.user_id
 WHERE m.cleared_on IS NULL OR t.confirmed_on > m.cleared_on OR greatest(m.known_at, t.known_at) > m.cleared_at
 GROUP BY m.user_id
