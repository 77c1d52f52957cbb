-- Tells the workers that listen that a message is in a queue, by the name that kombu listens to. Also without the right
-- to make the trigger of pgmq's that would say so.
SELECT pg_notify('pgmq.q_' || %(queue)s || '.INSERT', '')
