-- What does not add up of one review and of its users; how many in all, and the first of them.
SELECT m.*, limits.in_words(m) AS words, count(*) OVER () AS all_of_them
  FROM limits.unreconciled_review(%(review_id)s, true) m
 LIMIT %(limit)s
