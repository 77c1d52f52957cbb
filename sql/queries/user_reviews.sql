-- Reviews under way, or failed and not made up for since, that have a user on their list and have not decided and
-- applied that user; one that is only owed has no list yet and concerns everybody.
SELECT r.review_id, r.schedule, r.business_date, r.state, r.stage, r.error, coalesce(r.started_at, r.created_at) AS since,
       s.shard, s.stage AS shard_stage, s.state AS shard_state, s.shard < r.released_shards AS released,
       g.what, g.at, g.actor, g.reason
  FROM (SELECT * FROM limits.reviews WHERE state IN ('owed', 'running', 'held') AND kind = 'scheduled'
        UNION ALL
        SELECT * FROM limits.reviews f
         WHERE f.schedule IS NOT NULL AND f.state = 'failed'
           AND NOT EXISTS (SELECT FROM limits.reviews n
                            WHERE n.schedule = f.schedule AND n.business_date > f.business_date AND n.state = 'done')
       ) r
  LEFT JOIN limits.shards s
    ON s.review_id = r.review_id
   AND %(user_id)s::bigint BETWEEN s.user_from AND s.user_to AND %(user_id)s::bigint = ANY (s.user_ids)
  LEFT JOIN LATERAL (SELECT what, at, actor, reason FROM limits.gate_events
                      WHERE review_id = r.review_id ORDER BY event_id DESC LIMIT 1) g ON true
 WHERE CASE WHEN s.shard IS NULL THEN r.state = 'owed' ELSE s.stage <> 'apply' OR s.state <> 'done' END
 ORDER BY r.business_date, r.review_id
