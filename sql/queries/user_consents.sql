-- What a user agreed to or took back, the newest of each subject.
SELECT DISTINCT ON (subject) subject, state, effective_on, actor, reason
  FROM limits.consents
 WHERE user_id = %(user_id)s::bigint AND effective_on <= %(as_of)s::date
 ORDER BY subject, effective_on DESC, source DESC, source_id DESC
