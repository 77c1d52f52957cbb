-- Users whose newest decision needs a person to look, and who was not cleared nor decided about by one since: one row
-- per user and reason. An override counts as a person's decision while it is in force, made since the reason came up.
WITH candidates AS (
    -- A range, so that one user is found by the index also where the query is planned for any user.
    SELECT DISTINCT user_id FROM limits_read.adjustment_log
     WHERE reason_bits & 48378511638528 <> 0
       AND user_id BETWEEN coalesce(%(user_id)s::bigint, 0) AND coalesce(%(user_id)s::bigint, 9223372036854775807)
    EXCEPT
    SELECT user_id FROM limits_read.erasures
), newest AS (
    SELECT l.entry_id, l.review_id, l.user_id, l.as_of, l.decided_at, l.reason_bits, l.currency, l.limit_after_minor
      FROM candidates
     CROSS JOIN LATERAL (SELECT * FROM limits_read.adjustment_log a
                          WHERE a.user_id = candidates.user_id AND a.role = 'champion'
                          ORDER BY a.as_of DESC, a.entry_id DESC
                          LIMIT 1) AS l
     WHERE l.reason_bits & 48378511638528 <> 0
), referred AS (
    SELECT n.*, reason,
           -- The first of the unbroken row of decisions with this reason.
           (SELECT min(a.decided_at) FROM limits_read.adjustment_log a
             WHERE a.user_id = n.user_id AND a.role = 'champion'
               AND (a.as_of, a.entry_id) > ALL (
                   SELECT b.as_of, b.entry_id FROM limits_read.adjustment_log b
                    WHERE b.user_id = n.user_id AND b.role = 'champion' AND b.reason_bits >> reason & 1 = 0
                    ORDER BY b.as_of DESC, b.entry_id DESC
                    LIMIT 1)) AS since
      FROM newest n
     CROSS JOIN unnest(%(reasons)s::integer[]) AS reason
     WHERE n.reason_bits >> reason & 1 = 1
)
SELECT r.user_id, r.reason, r.since, r.entry_id, r.review_id, r.as_of, r.currency, c.exponent, r.limit_after_minor
  FROM referred r
  JOIN limits_read.currencies c ON c.currency = r.currency
 WHERE NOT (r.reason = %(cleared_by)s::integer AND EXISTS (
           SELECT FROM limits_read.fraud_clearances f WHERE f.user_id = r.user_id AND f.cleared_on >= r.as_of))
   AND NOT EXISTS (
           SELECT FROM limits_read.overrides o
            WHERE o.user_id = r.user_id AND o.state = 'approved' AND o.decided_at >= r.since
              AND %(as_of)s::date >= o.starts_on AND %(as_of)s::date < o.expires_on)
 ORDER BY r.since, r.user_id, r.reason
