-- What must hold after a review, before a figure of it is printed: one row for each rule, with how often it is broken.
WITH review AS (
    SELECT * FROM limits.reviews WHERE review_id = %(review_id)s
), logged AS (
    SELECT count(*) AS decided, count(*) FILTER (WHERE action > 0) AS raised,
           count(*) FILTER (WHERE action = 0) AS held, count(*) FILTER (WHERE action < 0) AS lowered,
           count(*) FILTER (WHERE action > 0 AND limit_after_minor > lowest_ceiling_minor) AS above_lowest,
           count(*) FILTER (WHERE action > 0 AND limit_after_minor > ANY (ceilings_minor)) AS above_any
      FROM limits.adjustment_log l
     WHERE l.review_id = %(review_id)s AND l.as_of = (SELECT business_date FROM review) AND l.role = 'champion'
), aside AS (
    SELECT count(*) AS aside FROM limits.review_exceptions WHERE review_id = %(review_id)s
), messages AS (
    SELECT count(*) AS messages FROM limits.outbox WHERE review_id = %(review_id)s
)
SELECT 'users without decision or exception, or with both' AS rule,
       abs((SELECT count(*) FROM limits.users) - decided - aside) AS broken FROM logged, aside
UNION ALL
SELECT 'counts of the review that are not those of the log',
       abs(r.users_raised - l.raised) + abs(r.users_held - l.held) + abs(r.users_lowered - l.lowered)
       + abs(r.users_total - l.decided - a.aside) FROM review r, logged l, aside a
UNION ALL
SELECT 'shards that are not done', count(*) FROM limits.shards WHERE review_id = %(review_id)s AND state <> 'done'
UNION ALL
SELECT 'changed limits without a message, or messages without a change',
       abs(l.raised + l.lowered - m.messages) FROM logged l, messages m
UNION ALL
SELECT 'raises above a ceiling', above_lowest + above_any FROM logged
