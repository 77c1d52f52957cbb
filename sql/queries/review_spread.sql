-- How the decisions of a review spread: one row for each action, binding ceiling and piece of three scales, in one scan.
-- Whoever asks adds up these rows, of which there are some thousands however many users there are.
SELECT action, disposition, binding,
       width_bucket((limit_after_minor - limit_before_minor)::float8 * 10000 / nullif(limit_before_minor, 0),
                    %(shares)s::float8[]) AS share,
       width_bucket(limit_before_minor, %(amounts)s::bigint[]) AS before,
       width_bucket(limit_after_minor, %(amounts)s::bigint[]) AS after,
       count(*) AS users
  FROM limits_read.adjustment_log
 WHERE as_of = %(as_of)s AND review_id = %(review_id)s
 GROUP BY 1, 2, 3, 4, 5, 6
