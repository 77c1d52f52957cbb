-- What a review decided by, the waiting change that it carried out, if any, and what the records of its batches say of
-- the risk model.
SELECT r.policy_hash, r.change_id, p.kind AS change_kind, p.proposed_minor > p.limit_minor AS change_raises, r.risk_model,
       ARRAY(SELECT DISTINCT substring(b.record FROM E'\nrisk ([^\n]*)\n') FROM limits_read.batches b
              WHERE b.review_id = r.review_id) AS risks_said
  FROM limits_read.reviews r
  LEFT JOIN limits_read.pending_changes p ON p.change_id = r.change_id
 WHERE r.review_id = %(review_id)s
