-- Keeps the text that a notice is sent with; the one that stands comes back.
SELECT limits.draft_notice(%(notice_id)s::bigint, %(body)s::jsonb)
