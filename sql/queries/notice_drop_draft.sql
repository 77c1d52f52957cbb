-- A text was refused: the next one is written anew.
SELECT limits.drop_draft(%(notice_id)s::bigint)
