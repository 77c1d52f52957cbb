-- What the log of a user goes on from where its beginning is archived: the newest archived change; no row: none is.
SELECT month, limit_after_minor, version_after, greatest(last_raise_on, last_cut_on) AS since
  FROM limits_read.archived_lines
 WHERE user_id = %(user_id)s::bigint
 ORDER BY month DESC
 LIMIT 1
