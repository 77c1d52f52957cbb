-- Judges the staged states of documents: the first fault of each, or whether it is known already.
INSERT INTO pg_temp.import_checked (line, fault, known, user_id, checked_on, status, valid_until, source_id, digest)
WITH read AS MATERIALIZED (
    SELECT s.line, s.source_id, s.user_id, s.checked_on, s.status, s.valid_until,
           limits.read_id(s.user_id) AS id, u.user_id AS found,
           limits.read_date(s.checked_on) AS checked,
           limits.read_date(s.valid_until) AS valid
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(ARRAY['source_id', 'user_id', 'checked_on', 'status'],
                                    ARRAY[source_id, user_id, checked_on, status]),
               limits.id_fault(user_id, id),
               limits.choice_fault('status', status, 'unknown_status', ARRAY['complete', 'missing']),
               limits.user_fault(user_id, NULL, found, NULL),
               -- Documents are handed in with the application, before there is an account.
               limits.date_fault('checked_on', checked_on, checked, NULL, %(today)s),
               limits.date_fault('valid_until', valid_until, valid, NULL, NULL),
               CASE WHEN status = 'missing' AND valid_until <> '' THEN
                   ARRAY['valid_until_of_missing', format('valid_until %%s is given for documents that are missing',
                                                          limits.shown(valid_until))] END,
               CASE WHEN valid < checked THEN
                   ARRAY['dates_out_of_order', format('valid_until %%s is before checked_on %%s',
                                                      limits.shown(valid_until), limits.shown(checked_on))] END
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    SELECT line, found AS user_id, checked, status, valid, source_id,
           limits.row_digest(found::text, to_char(checked, 'YYYY-MM-DD'), status,
                             to_char(valid, 'YYYY-MM-DD')) AS digest
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
       p.user_id, p.checked, p.status, p.valid, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.documents k ON k.source = %(source)s AND k.source_id = p.source_id
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
