-- How often each ceiling was the lowest, by the champion's decisions and by each challenger's.
SELECT c.policy_hash, b.binding, count(*) FILTER (WHERE b.who = 'champion') AS champion,
       count(*) FILTER (WHERE b.who = 'challenger') AS challenger
  FROM limits.challenger_log c
  JOIN limits.adjustment_log l ON l.as_of = c.as_of AND l.review_id = c.review_id AND l.user_id = c.user_id
 CROSS JOIN LATERAL (VALUES ('champion', l.binding), ('challenger', c.binding)) AS b (who, binding)
 WHERE c.review_id = ANY (%(review_ids)s::bigint[])
 GROUP BY c.policy_hash, b.binding
 ORDER BY c.policy_hash, greatest(count(*) FILTER (WHERE b.who = 'champion'),
                                  count(*) FILTER (WHERE b.who = 'challenger')) DESC, b.binding
