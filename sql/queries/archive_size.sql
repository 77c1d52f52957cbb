-- What would go with a month of the log, how many days ago its last day was, and for how many it is kept at least.
SELECT count(*) AS entries, count(DISTINCT batch_id) AS batches, count(DISTINCT review_id) AS reviews,
       count(DISTINCT user_id) AS users,
       (clock_timestamp() AT TIME ZONE 'UTC')::date - (%(month)s::date + interval '1 month' - interval '1 day')::date AS days,
       (SELECT log_days FROM limits_read.retention) AS least_days
  FROM limits_read.adjustment_log
 WHERE as_of >= %(month)s::date AND as_of < (%(month)s::date + interval '1 month')::date
