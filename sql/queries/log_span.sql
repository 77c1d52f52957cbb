-- The lowest and the highest number of an entry in the months of some dates, below a number.
SELECT (SELECT entry_id FROM limits_read.adjustment_log
         WHERE as_of >= date_trunc('month', coalesce(%(as_of_from)s::date, '-infinity'))
           AND as_of < date_trunc('month', coalesce(%(as_of_to)s::date, '2200-01-01')) + interval '1 month'
         ORDER BY entry_id LIMIT 1),
       (SELECT entry_id FROM limits_read.adjustment_log
         WHERE as_of >= date_trunc('month', coalesce(%(as_of_from)s::date, '-infinity'))
           AND as_of < date_trunc('month', coalesce(%(as_of_to)s::date, '2200-01-01')) + interval '1 month'
           AND (%(after)s::bigint IS NULL OR entry_id < %(after)s::bigint)
         ORDER BY entry_id DESC LIMIT 1)
