-- The newest reviews first; recomputes of one user only when asked for.
SELECT *
  FROM limits_read.reviews
 WHERE (%(recomputes)s OR kind = 'scheduled')
   AND (%(schedule)s::text IS NULL OR schedule = %(schedule)s::text)
 ORDER BY review_id DESC
 LIMIT %(limit)s
