-- The notices about one entry of the log: what kind, by when, and when it went out; not what they said.
SELECT n.notice_id, n.kind, n.due_on, n.created_at, n.delivered_at
  FROM limits_read.notices n
 WHERE n.entry_id = %(entry_id)s::bigint
 ORDER BY n.notice_id
