-- The columns of the log that are not filled by the database itself: no identity, nothing generated, no clock and no session.
SELECT a.attname::text
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = 'limits.adjustment_log'::regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attidentity = '' AND a.attgenerated = ''
   AND coalesce(pg_get_expr(d.adbin, d.adrelid), '') !~ '\(|SESSION_USER'
 ORDER BY a.attnum
