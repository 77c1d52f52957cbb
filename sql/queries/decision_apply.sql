-- Applies what is staged under a lease: limits, log and outbox together. Returns users whose line had moved on.
SELECT stale_user_id
  FROM limits.apply_decisions(%(review_id)s, %(shard)s, %(token)s, %(code_version)s)
