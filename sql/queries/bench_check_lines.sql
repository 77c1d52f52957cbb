-- Credit lines of users between two whose limit or version is not what the log says. By ranges of users: of all at once the
-- server would keep a sum for each user.
SELECT count(*)
  FROM limits.credit_lines c
  LEFT JOIN (SELECT user_id, sum(limit_after_minor - limit_before_minor) AS delta, count(*) AS changes
               FROM limits.adjustment_log
              WHERE action <> 0 AND role = 'champion' AND user_id BETWEEN %(first)s AND %(last)s
              GROUP BY user_id) l USING (user_id)
 WHERE c.user_id BETWEEN %(first)s AND %(last)s
   AND (c.opening_limit_minor + coalesce(l.delta, 0) <> c.limit_minor OR coalesce(l.changes, 0) <> c.version)
