-- What a review decided by, and the waiting change that it carried out, if any.
SELECT r.policy_hash, r.change_id, p.kind AS change_kind, p.proposed_minor > p.limit_minor AS change_raises
  FROM limits.reviews r
  LEFT JOIN limits.pending_changes p ON p.change_id = r.change_id
 WHERE r.review_id = %(review_id)s
