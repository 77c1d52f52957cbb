-- How many notices and waiting changes there are of decisions as of each archived month.
SELECT month, coalesce(n.told, 0), coalesce(w.told, 0)
  FROM limits_read.archived_months
  LEFT JOIN (SELECT date_trunc('month', as_of::timestamp)::date AS month, count(*) AS told
               FROM limits_read.notices WHERE as_of < (SELECT limits.log_begins()) GROUP BY 1) n USING (month)
  LEFT JOIN (SELECT date_trunc('month', as_of::timestamp)::date AS month, count(*) AS told
               FROM limits_read.pending_changes WHERE as_of < (SELECT limits.log_begins()) GROUP BY 1) w USING (month)
 ORDER BY month
