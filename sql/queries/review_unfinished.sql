-- Of each schedule the oldest unfinished review, whose turn it is, with the shards that somebody could lease now.
SELECT r.review_id, r.schedule, r.business_date, r.state,
       count(s.shard) FILTER (WHERE s.state = 'pending'
                                 OR s.state = 'leased' AND s.leased_until <= clock_timestamp()) AS free,
       count(s.shard) FILTER (WHERE s.state = 'leased' AND s.leased_until > clock_timestamp()) AS leased
  FROM (SELECT DISTINCT ON (schedule) *
          FROM limits.reviews
         WHERE state IN ('owed', 'running') AND kind = 'scheduled'
         ORDER BY schedule, business_date) r
  LEFT JOIN limits.shards s ON s.review_id = r.review_id
 GROUP BY r.review_id, r.schedule, r.business_date, r.state
 ORDER BY r.business_date, r.review_id
