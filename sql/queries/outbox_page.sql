-- What waits to be delivered to the next users, each user's messages in the order of the decisions.
WITH waiting AS (
    SELECT user_id
      FROM ((SELECT DISTINCT user_id FROM limits.outbox
              WHERE delivered_at IS NULL AND user_id > %(after)s::bigint ORDER BY user_id LIMIT %(users)s)
            UNION
            (SELECT DISTINCT user_id FROM limits.notices
              WHERE delivered_at IS NULL AND user_id > %(after)s::bigint ORDER BY user_id LIMIT %(users)s)) AS both_kinds
     ORDER BY user_id
     LIMIT %(users)s
), messages AS (
    SELECT o.user_id, o.entry_id, o.review_id, o.as_of, o.outbox_id, o.kind, NULL::bigint AS notice_id
      FROM waiting JOIN limits.outbox o USING (user_id)
     WHERE o.delivered_at IS NULL
    UNION ALL
    SELECT n.user_id, n.entry_id, n.review_id, n.as_of, NULL, n.kind, n.notice_id
      FROM waiting JOIN limits.notices n USING (user_id)
     WHERE n.delivered_at IS NULL
)
SELECT m.user_id, m.entry_id, m.review_id, m.as_of, m.outbox_id, m.kind, m.notice_id,
       l.currency, c.exponent, l.limit_before_minor, l.limit_after_minor
  FROM messages m
  JOIN limits.adjustment_log l ON l.as_of = m.as_of AND l.review_id = m.review_id AND l.user_id = m.user_id
  JOIN limits.currencies c ON c.currency = l.currency
 ORDER BY m.user_id, m.entry_id, m.notice_id NULLS FIRST
