-- The newest reviews first; recomputes of one user only when asked for.
SELECT *
  FROM limits_read.reviews
 WHERE (%(recomputes)s OR kind = 'scheduled')
   AND (%(schedule)s::text IS NULL OR schedule = %(schedule)s::text)
   AND (%(before)s::bigint IS NULL OR review_id < %(before)s::bigint)
   AND (%(state)s::text IS NULL OR state = %(state)s::text)
 ORDER BY review_id DESC
 LIMIT %(limit)s
