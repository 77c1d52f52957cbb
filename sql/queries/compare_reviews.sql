-- The newest reviews that a challenger was tried beside, oldest first, with the policy that decided.
SELECT * FROM (
    SELECT r.review_id, r.business_date AS as_of, r.schedule, r.policy_hash, p.pack, p.effective_on
      FROM limits.reviews r
      JOIN limits.policies p ON p.policy_hash = r.policy_hash
     WHERE EXISTS (SELECT FROM limits.challenger_log c WHERE c.review_id = r.review_id)
        OR EXISTS (SELECT FROM limits.challenger_failures f WHERE f.review_id = r.review_id)
     ORDER BY r.business_date DESC, r.review_id DESC
     LIMIT %(last)s) newest
 ORDER BY as_of, review_id
