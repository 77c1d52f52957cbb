-- Raises above a ceiling, made at once or waiting, by the ceilings themselves and not by what the entry says is the
-- lowest of them; a raise without any ceiling is one too. How many in all, and the first of them.
SELECT l.entry_id, l.review_id, l.user_id, l.as_of, l.currency, c.exponent, l.limit_before_minor, r.raised_to_minor,
       lowest.ceiling_minor, count(*) OVER () AS all_of_them
  FROM limits_read.adjustment_log l
  JOIN limits_read.currencies c ON c.currency = l.currency
  LEFT JOIN limits_read.pending_changes p ON p.entry_id = l.entry_id
 CROSS JOIN LATERAL (SELECT greatest(CASE WHEN l.limit_after_minor > l.limit_before_minor THEN l.limit_after_minor END,
                                     CASE WHEN l.proposed_minor > l.limit_before_minor THEN l.proposed_minor END,
                                     CASE WHEN p.proposed_minor > p.limit_minor THEN p.proposed_minor END)) r (raised_to_minor)
 CROSS JOIN LATERAL (SELECT min(bound) FROM unnest(l.ceilings_minor) bound) lowest (ceiling_minor)
 WHERE l.as_of BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
   AND r.raised_to_minor IS NOT NULL
   AND (r.raised_to_minor <= lowest.ceiling_minor) IS NOT TRUE
 ORDER BY l.entry_id
 LIMIT %(limit)s
