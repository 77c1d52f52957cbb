-- Changes and messages that are not about each other, of entries after one number up to another and of users from one
-- id to another; how many in all, and the first of them.
SELECT m.*, limits.in_words(m) AS words, count(*) OVER () AS all_of_them
  FROM limits.unreconciled_messages(%(after)s, %(through)s, %(user_from)s, %(user_to)s) m
 LIMIT %(limit)s
