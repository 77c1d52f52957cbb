-- Proposes an override for one user; gives its number.
SELECT limits.propose_override(%(user_id)s, %(kind)s, %(amount_minor)s, %(starts_on)s, %(expires_on)s, %(actor)s,
                               %(reason)s)
