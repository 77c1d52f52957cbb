-- Messages about changed limits were handed over.
SELECT limits.deliver_outbox(entry_id) FROM unnest(%(entry_ids)s::bigint[]) AS entry_id
