-- How many users of each review had which points and which probability, as the log has it.
SELECT review_id, risk_points AS points, risk_probability_ppm AS ppm, count(*) AS users
  FROM limits_read.adjustment_log
 WHERE review_id = ANY (%(review_ids)s::bigint[]) AND as_of = ANY (%(dates)s::date[]) AND risk_points IS NOT NULL
 GROUP BY review_id, risk_points, risk_probability_ppm
 ORDER BY review_id, risk_points
