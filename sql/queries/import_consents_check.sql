-- Judges the staged consents: the first fault of each, or whether it is known already.
INSERT INTO pg_temp.import_checked (line, fault, known, user_id, effective_on, subject, state, source_id, digest)
WITH read AS MATERIALIZED (
    SELECT s.line, s.source_id, s.user_id, s.effective_on, s.subject, s.state,
           limits.read_id(s.user_id) AS id, u.user_id AS found,
           limits.read_date(s.effective_on) AS effective
      FROM pg_temp.import_stage s
      LEFT JOIN limits.users u ON u.user_id = limits.read_id(s.user_id)
     WHERE s.reason IS NULL
), judged AS MATERIALIZED (
    SELECT r.*, coalesce(
               limits.missing_fault(ARRAY['source_id', 'user_id', 'effective_on', 'subject', 'state'],
                                    ARRAY[source_id, user_id, effective_on, subject, state]),
               limits.id_fault(user_id, id),
               limits.choice_fault('subject', subject, 'unknown_kind', ARRAY['raises', 'automation']),
               limits.choice_fault('state', state, 'unknown_status', ARRAY['given', 'withdrawn']),
               limits.user_fault(user_id, NULL, found, NULL),
               -- Consent is asked for on the application, before there is an account.
               limits.date_fault('effective_on', effective_on, effective, NULL, %(today)s)
           ) AS fault
      FROM read r
), good AS MATERIALIZED (
    SELECT line, found AS user_id, effective, subject, state, source_id,
           limits.row_digest(found::text, to_char(effective, 'YYYY-MM-DD'), subject, state) AS digest
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
       p.user_id, p.effective, p.subject, p.state, p.source_id, p.digest
  FROM placed p
  LEFT JOIN limits.consents k ON k.source = %(source)s AND k.source_id = p.source_id
UNION ALL
SELECT line, fault, false, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE fault IS NOT NULL
