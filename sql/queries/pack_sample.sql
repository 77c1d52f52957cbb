-- Some users whose packed row may be read, by chance; all of them where no number is given. By currency and by
-- the date nearest to today for which the row holds.
SELECT currency, as_of, array_agg(user_id ORDER BY user_id) AS user_id
  FROM (SELECT p.user_id, p.currency,
               greatest(p.valid_from, least(%(today)s::date, p.valid_until - 1)) AS as_of
          FROM limits.packed_users p
         WHERE p.format = %(format)s AND length(p.facts) = %(width)s
           AND NOT EXISTS (SELECT FROM limits.dirty_users d WHERE d.user_id = p.user_id)
         ORDER BY random()
         LIMIT %(users)s) chosen
 GROUP BY currency, as_of
