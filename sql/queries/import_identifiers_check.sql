-- Judges the staged identifiers: the first fault of each, or whether it is known already.
--
-- A value that is no sha256 may be a phone number or an address in the clear: no detail shows it.
INSERT INTO pg_temp.import_checked (line, fault, known, user_id, kind, value_sha256, seen_on, source_id, digest)
WITH read AS MATERIALIZED (
    SELECT s.line, s.source_id, s.user_id, s.kind, s.value_sha256, s.seen_on,
           limits.read_id(s.user_id) AS id, u.user_id AS found,
           limits.read_date(s.seen_on) AS seen
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(ARRAY['source_id', 'user_id', 'kind', 'value_sha256', 'seen_on'],
                                    ARRAY[source_id, user_id, kind, value_sha256, seen_on]),
               CASE WHEN value_sha256 !~ '^[0-9a-f]{64}$' THEN
                   ARRAY['not_a_sha256', format('value_sha256 (%%s characters, not shown) is not the 64 digits 0-9 and '
                                                'a-f of a sha256', length(value_sha256))] END,
               limits.id_fault(user_id, id),
               limits.choice_fault('kind', kind, 'unknown_kind', ARRAY['device', 'phone', 'address', 'bank_card']),
               limits.user_fault(user_id, NULL, found, NULL),
               -- The application was made on a device, before there was an account.
               limits.date_fault('seen_on', seen_on, seen, NULL, %(today)s)
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    SELECT line, found AS user_id, kind, value_sha256, seen, source_id,
           limits.row_digest(found::text, kind, value_sha256, to_char(seen, 'YYYY-MM-DD')) AS digest
      FROM judged
     WHERE fault IS NULL
), placed AS (
    SELECT g.*, first_value(digest) OVER same AS first_digest, first_value(line) OVER same AS first_line
      FROM good g
    WINDOW same AS (PARTITION BY source_id ORDER BY line)
)
SELECT p.line,
       CASE WHEN p.digest <> coalesce(k.digest, p.first_digest)
            THEN limits.duplicate_fault('source_id ' || limits.shown(p.source_id),
                                        CASE WHEN k.digest IS NULL THEN p.first_line END) END,
       k.digest IS NOT NULL OR p.line <> p.first_line,
       p.user_id, p.kind, p.value_sha256, p.seen, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.identifiers k ON k.source = %(source)s AND k.source_id = p.source_id
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
