-- The months that reviews are as of, in order.
SELECT DISTINCT date_trunc('month', business_date)::date AS month
  FROM limits_read.reviews
 ORDER BY month
