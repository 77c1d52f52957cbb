-- Each time that somebody turned the kill switch, newest first.
SELECT at, engaged, actor, session_role, reason
  FROM limits_read.kill_switch_events
 ORDER BY event_id DESC
 LIMIT %(limit)s
