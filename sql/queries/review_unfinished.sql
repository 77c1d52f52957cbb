-- Of each schedule the oldest unfinished review, whose turn it is, with the shards that somebody could lease now.
-- Where no shard is left to the stage, the gate is what somebody could see to. While the kill switch is engaged there is
-- nothing to apply.
SELECT r.review_id, r.schedule, r.business_date, r.state,
       CASE WHEN r.state = 'running' AND r.stage = 'apply' AND (SELECT k.engaged FROM limits.kill_switch k) THEN 0
            WHEN r.state = 'running' AND count(s.shard) FILTER (WHERE s.mine) = 0 THEN 1
            ELSE count(s.shard) FILTER (WHERE s.mine AND (s.state = 'pending'
                                                       OR s.state = 'leased' AND s.leased_until <= clock_timestamp()))
       END AS free,
       count(s.shard) FILTER (WHERE s.state = 'leased' AND s.leased_until > clock_timestamp()) AS leased
  FROM (SELECT DISTINCT ON (schedule) *
          FROM limits.reviews
         WHERE state IN ('owed', 'running', 'held') AND kind = 'scheduled'
         ORDER BY schedule, business_date) r
  LEFT JOIN LATERAL (SELECT x.*, x.state <> 'done' AND x.stage = r.stage
                                 AND (r.stage = 'decide' OR x.shard < r.released_shards) AS mine
                       FROM limits.shards x WHERE x.review_id = r.review_id) s ON true
 GROUP BY r.review_id, r.schedule, r.business_date, r.state, r.stage
 ORDER BY r.business_date, r.review_id
