-- Which of the roles are there, and which this login may act as.
SELECT r.name, to_regrole(r.name) IS NOT NULL AS there,
       CASE WHEN to_regrole(r.name) IS NULL THEN false ELSE pg_has_role(to_regrole(r.name), 'MEMBER') END AS may
  FROM unnest(ARRAY['limits_migrator', 'limits_worker', 'limits_operations', 'limits_sealer', 'limits_auditor',
                   'limits_monitor', 'limits_console']) AS r(name)
