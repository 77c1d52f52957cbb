-- How many users came from a source and how many did not, and the last day the source saw of its own.
SELECT count(*) FILTER (WHERE u.source = %(source)s) AS own,
       count(*) FILTER (WHERE u.source <> %(source)s) AS others,
       (SELECT max(p.observed_through) FROM limits.user_profiles p WHERE p.source = %(source)s) AS observed_through
  FROM limits.users u
