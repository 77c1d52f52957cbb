-- Two reviews of one portfolio, of users between two: users whom the first neither changed nor left a change waiting for, and of these whose second decision differs.
-- By the users alone, as bench_log_out: of a review that its statistics do not know yet the server would read the whole log.
SELECT count(a.user_id) AS compared,
       count(a.user_id) FILTER (WHERE (a.limit_after_minor, a.binding, a.reason_bits, a.ceilings_minor, a.lowest_ceiling_minor,
                               a.floor_minor, a.capacity_p10_minor, a.capacity_p50_minor, a.capacity_p90_minor,
                               a.capacity_method, a.months_observed, a.disposition)
                IS DISTINCT FROM
                              (b.limit_after_minor, b.binding, b.reason_bits, b.ceilings_minor, b.lowest_ceiling_minor,
                               b.floor_minor, b.capacity_p10_minor, b.capacity_p50_minor, b.capacity_p90_minor,
                               b.capacity_method, b.months_observed, b.disposition)) AS different
  FROM (SELECT *
          FROM (SELECT * FROM limits.adjustment_log
                 WHERE user_id BETWEEN %(first_user)s AND %(last_user)s AND as_of = %(as_of)s OFFSET 0) l
         WHERE review_id = %(first)s AND action = 0 AND disposition = 0) a
  -- Full, because that is never done by a look at the log for each user, which a planner without statistics tries.
  FULL JOIN (SELECT *
               FROM (SELECT * FROM limits.adjustment_log
                      WHERE user_id BETWEEN %(first_user)s AND %(last_user)s AND as_of = %(as_of)s OFFSET 0) l
              WHERE review_id = %(second)s) b USING (user_id)
