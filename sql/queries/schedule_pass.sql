-- Records dates of a schedule that get no review.
INSERT INTO limits.passed_dates (schedule, business_date, reason, detail, actor)
SELECT %(schedule)s, business_date, %(reason)s, %(detail)s, %(actor)s
  FROM unnest(%(dates)s::date[]) AS business_date
ON CONFLICT DO NOTHING
