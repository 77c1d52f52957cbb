-- What does not add up of users from one id to another; how many in all, and the first of them.
SELECT m.*, limits.in_words(m) AS words, count(*) OVER () AS all_of_them
  FROM limits.unreconciled_users(%(user_from)s, %(user_to)s, true) m
 LIMIT %(limit)s
