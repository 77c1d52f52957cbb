-- That the newest finished review did not decide a user, and why; no row where it did.
SELECT x.review_id, r.schedule, r.business_date, x.outcome, x.reason, x.detail
  FROM (SELECT review_id, schedule, business_date FROM limits.reviews
         WHERE schedule IS NOT NULL AND state = 'done'
         ORDER BY business_date DESC, review_id DESC
         LIMIT 1) r
  JOIN limits.review_exceptions x ON x.review_id = r.review_id AND x.user_id = %(user_id)s::bigint
