-- What the shards of a review decided together, and the population of the newest review of its schedule that is done.
SELECT limits.added_up(ARRAY(SELECT s.tally FROM limits.shards s WHERE s.review_id = %(review_id)s)) AS tally,
       (SELECT e.users_total FROM limits.reviews r
          JOIN limits.reviews e ON e.schedule = r.schedule AND e.business_date < r.business_date AND e.state = 'done'
         WHERE r.review_id = %(review_id)s
         ORDER BY e.business_date DESC LIMIT 1) AS users_previous
