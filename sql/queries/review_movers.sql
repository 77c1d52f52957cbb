-- The largest changes of a review, up and down; those offered or announced count as what they would come to.
(SELECT entry_id, user_id, limit_before_minor, limit_after_minor, proposed_minor, disposition, binding,
        coalesce(proposed_minor, limit_after_minor) - limit_before_minor AS change_minor
   FROM limits_read.adjustment_log
  WHERE as_of = %(as_of)s AND review_id = %(review_id)s
    AND coalesce(proposed_minor, limit_after_minor) > limit_before_minor
  ORDER BY change_minor DESC, user_id
  LIMIT %(limit)s)
UNION ALL
(SELECT entry_id, user_id, limit_before_minor, limit_after_minor, proposed_minor, disposition, binding,
        coalesce(proposed_minor, limit_after_minor) - limit_before_minor AS change_minor
   FROM limits_read.adjustment_log
  WHERE as_of = %(as_of)s AND review_id = %(review_id)s
    AND coalesce(proposed_minor, limit_after_minor) < limit_before_minor
  ORDER BY change_minor, user_id
  LIMIT %(limit)s)
