-- The months that reviews are as of, in order.
SELECT DISTINCT date_trunc('month', business_date)::date AS month
  FROM limits.reviews
 ORDER BY month
