-- Users of a shard with credit line and newest profile.
COPY (SELECT u.user_id, u.currency, u.opened_on, c.currency, c.opened_on, c.limit_minor, c.version, c.last_raise_on,
             c.last_cut_on, c.limit_before_cut_minor, p.effective_on, p.status, p.segment, p.industry, p.jurisdiction,
             p.observed_from, p.observed_through, p.identity_status, p.identity_checked_on, p.income_status,
             p.income_verified_on, p.raise_consent
        FROM limits.users u JOIN limits.credit_lines c USING (user_id) JOIN limits.user_profiles p USING (user_id)
       WHERE u.user_id BETWEEN %(user_from)s AND %(user_to)s) TO STDOUT (FORMAT binary)
