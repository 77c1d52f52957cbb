-- What happened to a review between deciding and applying, oldest first.
SELECT event_id, review_id, at, what, actor, session_role, reason, figures
  FROM limits_read.gate_events
 WHERE review_id = %(review_id)s
 ORDER BY event_id
