-- Users of this review that get no decision, and why.
INSERT INTO limits.review_exceptions (review_id, user_id, outcome, reason, detail)
SELECT %(review_id)s, x.user_id, x.outcome, x.reason, x.detail
  FROM unnest(%(user_ids)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[], %(details)s::text[])
       AS x(user_id, outcome, reason, detail)
 WHERE NOT EXISTS (SELECT FROM limits.adjustment_log l
                    WHERE l.as_of = %(as_of)s AND l.review_id = %(review_id)s AND l.user_id = x.user_id)
ON CONFLICT (review_id, user_id) DO NOTHING
