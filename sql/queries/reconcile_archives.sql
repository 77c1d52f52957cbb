-- What does not add up of the archives and what stays of their months; how many in all, and the first of them.
SELECT m.*, limits.in_words(m) AS words, count(*) OVER () AS all_of_them
  FROM limits.unreconciled_archives() m
 LIMIT %(limit)s
