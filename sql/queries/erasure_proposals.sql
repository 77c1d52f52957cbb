-- The newest proposal for each user who is not erased, of the last 30 days, oldest first.
SELECT p.user_id, p.proposed_at, p.maker, p.reason
  FROM limits_read.erasure_proposals p
 WHERE p.proposed_at > clock_timestamp() - interval '30 days'
   AND NOT EXISTS (SELECT FROM limits_read.erasures e WHERE e.user_id = p.user_id)
   AND NOT EXISTS (SELECT FROM limits_read.erasure_proposals n
                    WHERE n.user_id = p.user_id AND n.proposed_at > p.proposed_at)
 ORDER BY p.proposed_at, p.user_id
