-- What does not add up of reviews as of some dates (NULL: without a bound); how many in all, and the first of them.
SELECT m.*, limits.in_words(m) AS words, count(*) OVER () AS all_of_them
  FROM limits.unreconciled_reviews(coalesce(%(since)s::date, '-infinity'), coalesce(%(until)s::date, 'infinity'),
                                   0, 9223372036854775807) m
 LIMIT %(limit)s
