-- Judges the staged frauds: the first fault of each, or whether it is known already.
--
-- One source_id is one fraud, of one user and confirmed on one day. It may come once more with
-- withdrawn_on filled, which is a new row; after that, or in the same file, the row without
-- it is known. A second day of withdrawal is refused like any other content.
INSERT INTO pg_temp.import_checked (line, fault, known, user_id, confirmed_on, withdrawn_on, source_id, digest)
WITH read AS MATERIALIZED (
    SELECT s.line, s.source_id, s.user_id, s.confirmed_on, s.withdrawn_on,
           limits.read_id(s.user_id) AS id, u.user_id AS found,
           limits.read_date(s.confirmed_on) AS confirmed,
           limits.read_date(s.withdrawn_on) AS withdrawn
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(ARRAY['source_id', 'user_id', 'confirmed_on'],
                                    ARRAY[source_id, user_id, confirmed_on]),
               limits.id_fault(user_id, id),
               limits.user_fault(user_id, NULL, found, NULL),
               -- It may have been another account of the same user.
               limits.date_fault('confirmed_on', confirmed_on, confirmed, NULL, %(today)s),
               limits.date_fault('withdrawn_on', withdrawn_on, withdrawn, NULL, %(today)s),
               CASE WHEN withdrawn < confirmed THEN
                   ARRAY['dates_out_of_order', format('withdrawn_on %%s is before confirmed_on %%s',
                                                      limits.shown(withdrawn_on), limits.shown(confirmed_on))] END
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    SELECT line, found AS user_id, confirmed, withdrawn, source_id,
           limits.row_digest(found::text, to_char(confirmed, 'YYYY-MM-DD')) AS about,
           limits.row_digest(found::text, to_char(confirmed, 'YYYY-MM-DD'),
                             to_char(withdrawn, 'YYYY-MM-DD')) AS digest
      FROM judged
     WHERE fault IS NULL
), cases AS MATERIALIZED (
    SELECT DISTINCT source_id, user_id, confirmed_on,
           limits.row_digest(user_id::text, to_char(confirmed_on, 'YYYY-MM-DD')) AS about
      FROM limits.frauds
     WHERE source = %(source)s AND source_id IN (SELECT source_id FROM good)
), compared AS MATERIALIZED (
    SELECT g.*, c.about IS NOT NULL AS imported, first_value(g.line) OVER same AS case_line,
           g.about = coalesce(c.about, first_value(g.about) OVER same) AS agrees
      FROM good g
      LEFT JOIN cases c ON c.source_id = g.source_id
    WINDOW same AS (PARTITION BY g.source_id ORDER BY g.line)
), placed AS (
    SELECT c.*, first_value(digest) OVER same AS first_digest, first_value(line) OVER same AS first_line
      FROM compared c
     WHERE agrees
    WINDOW same AS (PARTITION BY source_id, withdrawn IS NULL ORDER BY line)
)
SELECT p.line,
       CASE WHEN p.digest <> coalesce(k.digest, p.first_digest)
            THEN limits.duplicate_fault('source_id ' || limits.shown(p.source_id),
                                        CASE WHEN k.digest IS NULL THEN p.first_line END) END,
       k.digest IS NOT NULL OR p.line <> p.first_line
           OR (p.withdrawn IS NULL AND (p.imported OR p.line <> p.case_line)),
       p.user_id, p.confirmed, p.withdrawn, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.frauds k
    ON k.source = %(source)s AND k.source_id = p.source_id AND k.withdrawn = (p.withdrawn IS NOT NULL)
UNION ALL
SELECT line, limits.duplicate_fault('source_id ' || limits.shown(source_id), CASE WHEN NOT imported THEN case_line END),
       false, NULL, NULL, NULL, NULL, NULL
  FROM compared
 WHERE NOT agrees
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
