-- Overrides by person: what each proposed and what became of it, and about how many of others each decided. Names are
-- one person's when only case, spaces and what cannot be seen differ. How many in all, and the first of them.
SELECT min(o.name COLLATE "C") AS person, count(*) FILTER (WHERE o.made) AS proposed,
       count(*) FILTER (WHERE o.made AND o.state IN ('approved', 'ended')) AS approved,
       count(*) FILTER (WHERE o.made AND o.state = 'rejected') AS rejected,
       count(*) FILTER (WHERE o.made AND o.state = 'proposed') AS waiting,
       count(*) FILTER (WHERE o.made AND o.state = 'approved' AND %(today)s::date >= o.starts_on
                          AND %(today)s::date < o.expires_on) AS in_force,
       count(DISTINCT o.user_id) FILTER (WHERE o.made) AS users,
       count(*) FILTER (WHERE NOT o.made) AS decided, count(*) OVER () AS all_of_them
  FROM (SELECT maker AS name, true AS made, x.* FROM limits_read.overrides x
        UNION ALL
        SELECT checker, false, x.* FROM limits_read.overrides x WHERE checker IS NOT NULL) o
 WHERE (o.proposed_at AT TIME ZONE 'UTC')::date
       BETWEEN coalesce(%(since)s::date, '-infinity') AND coalesce(%(until)s::date, 'infinity')
 GROUP BY limits.person(o.name)
 ORDER BY proposed DESC, decided DESC, person
 LIMIT %(limit)s
