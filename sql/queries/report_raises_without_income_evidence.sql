-- Raises, also offered and announced ones, of which the entry itself says that there was no evidence of income, by the
-- policy that decided: a method that is no forecast, fewer months than the policy asks for, no bound by what can be
-- repaid, or a bound by a rule that asks for evidence. How many in all, and the first of them.
SELECT l.entry_id, l.review_id, l.user_id, l.as_of, l.currency, c.exponent, l.limit_before_minor,
       greatest(l.limit_after_minor, l.proposed_minor) AS raised_to_minor, l.capacity_method, l.months_observed,
       m.months AS months_asked_for, count(*) OVER () AS all_of_them
  FROM limits_read.adjustment_log l
  JOIN limits_read.currencies c ON c.currency = l.currency
  LEFT JOIN unnest(%(policies)s::bytea[], %(months)s::integer[]) m (policy_hash, months)
    ON m.policy_hash = l.policy_hash
 WHERE l.as_of BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
   AND (l.limit_after_minor > l.limit_before_minor OR l.proposed_minor > l.limit_before_minor)
   AND (l.capacity_method <> ALL (%(forecasts)s::smallint[])
     OR (l.months_observed >= m.months) IS NOT TRUE
     OR l.ceilings_minor[%(ability)s] IS NULL
     OR EXISTS (SELECT FROM unnest(%(evidence)s::integer[]) place WHERE l.ceilings_minor[place] IS NOT NULL))
 ORDER BY l.entry_id
 LIMIT %(limit)s
