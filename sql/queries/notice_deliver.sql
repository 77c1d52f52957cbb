-- Notices were handed over with the texts that are kept for them.
SELECT limits.deliver_notice(notice_id, %(delivered_to)s) FROM unnest(%(notice_ids)s::bigint[]) AS notice_id
