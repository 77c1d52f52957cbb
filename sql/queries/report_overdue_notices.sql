-- Notices that are due before a date and not delivered, the oldest first; how many in all, and the first of them.
SELECT n.notice_id, n.kind, n.user_id, n.review_id, n.entry_id, n.as_of, n.due_on,
       %(today)s::date - n.due_on AS days_late, count(*) OVER () AS all_of_them
  FROM limits_read.notices n
 WHERE n.delivered_at IS NULL AND n.due_on < %(today)s::date
   AND n.as_of BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
 ORDER BY n.due_on, n.notice_id
 LIMIT %(limit)s
