-- What the shards of a review decided together, and the population of the newest review of its schedule that is done.
SELECT coalesce(jsonb_object_agg(t.key, t.value), '{}') AS tally,
       (SELECT e.users_total FROM limits.reviews r
          JOIN limits.reviews e ON e.schedule = r.schedule AND e.business_date < r.business_date AND e.state = 'done'
         WHERE r.review_id = %(review_id)s
         ORDER BY e.business_date DESC LIMIT 1) AS users_previous
  FROM (SELECT e.key, CASE WHEN e.key LIKE 'greatest%%' THEN max(e.value::numeric) ELSE sum(e.value::numeric) END AS value
          FROM limits.shards s CROSS JOIN LATERAL jsonb_each_text(s.tally) e
         WHERE s.review_id = %(review_id)s
         GROUP BY e.key) t
