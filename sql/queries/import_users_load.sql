-- Lets in the new users with their credit lines, and the new states; marks the months whose
-- observation they change.
WITH fresh AS (
    SELECT * FROM pg_temp.import_checked WHERE fault IS NULL AND NOT known
), founded AS (
    INSERT INTO limits.users (user_id, currency, opened_on, source)
    SELECT user_id, currency, opened_on, %(source)s FROM fresh WHERE founds ORDER BY user_id
), opened AS (
    INSERT INTO limits.credit_lines (user_id, currency, limit_minor, opening_limit_minor, opened_on)
    SELECT user_id, currency, limit_minor, limit_minor, opened_on FROM fresh WHERE founds ORDER BY user_id
), windows AS (
    -- The window of each new state beside that of the state whose place it takes from its date on.
    SELECT f.user_id, f.observed_from AS new_from, f.observed_through AS new_through,
           p.observed_from AS old_from, p.observed_through AS old_through
      FROM fresh f
      LEFT JOIN LATERAL (
          SELECT * FROM limits.user_profiles o
           WHERE o.user_id = f.user_id AND o.effective_on < f.effective_on
           ORDER BY o.effective_on DESC
           LIMIT 1) p ON true
), spans (user_id, first_day, last_day) AS (
    -- Where both have a window, months change only between the two beginnings and the two ends.
    SELECT user_id, least(new_from, old_from), greatest(new_from, old_from) FROM windows
     WHERE new_from <> old_from
    UNION ALL
    SELECT user_id, least(new_through, old_through), greatest(new_through, old_through) FROM windows
     WHERE new_through <> old_through
    UNION ALL
    SELECT user_id, new_from, new_through FROM windows WHERE old_from IS NULL OR old_through IS NULL
    UNION ALL
    SELECT user_id, old_from, old_through FROM windows WHERE new_from IS NULL
), marks AS (
    INSERT INTO limits.dirty_months (user_id, month)
    SELECT DISTINCT s.user_id, m.month::date
      FROM spans s
      CROSS JOIN LATERAL generate_series(date_trunc('month', s.first_day::timestamp), s.last_day::timestamp,
                                         interval '1 month') AS m (month)
)
INSERT INTO limits.user_profiles (
    user_id, effective_on, status, segment, industry, jurisdiction, observed_from, observed_through, identity_status,
    identity_checked_on, income_status, income_verified_on, raise_consent, source, digest)
SELECT user_id, effective_on, status, segment, industry, jurisdiction, observed_from, observed_through, identity_status,
       identity_checked_on, income_status, income_verified_on, raise_consent, %(source)s, digest
  FROM fresh
 ORDER BY user_id, effective_on
