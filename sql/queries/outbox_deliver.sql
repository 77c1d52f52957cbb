-- Messages about changed limits were handed over.
SELECT limits.deliver_outbox(outbox_id) FROM unnest(%(outbox_ids)s::bigint[]) AS outbox_id
