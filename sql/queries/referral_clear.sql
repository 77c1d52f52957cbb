-- A person found nothing against a user: links to frauds confirmed by then no longer count.
INSERT INTO limits.fraud_clearances (user_id, cleared_on, actor, reason)
VALUES (%(user_id)s, %(cleared_on)s, %(actor)s, %(reason)s)
