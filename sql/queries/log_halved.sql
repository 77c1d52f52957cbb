-- Between two numbers, in the months of some dates: from which number on an entry can be of reviews that were asked for at a
-- moment, and before which it must be, where they were over at another. An entry takes its number after it was decided, in
-- one transaction: what was decided after the reviews were over has a higher number than all of theirs, and what was
-- decided a day before they were asked for a lower one. Found by halving, to some thousand numbers; an hour is for clocks that
-- were set back.
WITH RECURSIVE upper_half AS (
    SELECT %(low)s::bigint AS low, %(high)s::bigint AS high, 0 AS step
    UNION ALL
    SELECT CASE WHEN p.over THEN h.low ELSE h.middle + 1 END, CASE WHEN p.over THEN h.middle ELSE h.high END, h.step + 1
      FROM (SELECT low, high, step, (low + high) / 2 AS middle FROM upper_half WHERE high - low > 1000) h,
           LATERAL (SELECT coalesce((SELECT decided_at > %(over_at)s::timestamptz + interval '1 hour'
                                       FROM limits_read.adjustment_log
                                      WHERE entry_id >= h.middle AND entry_id < h.high
                                        AND as_of >= %(first_day)s::date AND as_of <= %(last_day)s::date
                                      ORDER BY entry_id LIMIT 1), true) AS over) p
     WHERE %(over_at)s::timestamptz IS NOT NULL
), lower_half AS (
    SELECT %(low)s::bigint AS low, (SELECT high FROM upper_half ORDER BY step DESC LIMIT 1) AS high, 0 AS step
    UNION ALL
    SELECT CASE WHEN p.before THEN h.middle ELSE h.low END, CASE WHEN p.before THEN h.high ELSE h.middle END, h.step + 1
      FROM (SELECT low, high, step, (low + high) / 2 AS middle FROM lower_half WHERE high - low > 1000) h,
           LATERAL (SELECT coalesce((SELECT decided_at < %(asked_at)s::timestamptz - interval '1 day'
                                       FROM limits_read.adjustment_log
                                      WHERE entry_id >= h.middle AND entry_id < h.high
                                        AND as_of >= %(first_day)s::date AND as_of <= %(last_day)s::date
                                      ORDER BY entry_id LIMIT 1), false) AS before) p
)
SELECT (SELECT low FROM lower_half ORDER BY step DESC LIMIT 1), (SELECT high FROM upper_half ORDER BY step DESC LIMIT 1)
