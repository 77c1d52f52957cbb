-- Applies decisions under a lease: limits, log, outbox and what waits together. Returns users whose decision is out of date.
SELECT stale_user_id
  FROM limits.apply_decisions(%(review_id)s, %(shard)s, %(token)s, %(code_version)s, %(currency)s, %(input_digest)s,
                              %(model)s, %(root)s, %(rows)s)
