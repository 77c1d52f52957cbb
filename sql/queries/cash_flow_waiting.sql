-- Months with marks to refresh, and how many users they belong to.
SELECT coalesce(array_agg(DISTINCT month), '{}') AS months, count(DISTINCT user_id) AS users
  FROM limits.dirty_months
