-- Whether every released shard of a review is applied while others are not released yet.
SELECT r.released_shards > 0
   AND count(*) FILTER (WHERE s.shard < r.released_shards AND s.state = 'done') = r.released_shards
   AND count(*) > r.released_shards
  FROM limits.reviews r JOIN limits.shards s ON s.review_id = r.review_id
 WHERE r.review_id = %(review_id)s
 GROUP BY r.released_shards
