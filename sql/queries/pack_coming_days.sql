-- The days after a date on which something of some users whose ids lie between two comes into sight, but for
-- statements, repayments and events: arrays.
WITH days (user_id, day) AS (
    SELECT user_id, effective_on FROM limits.user_profiles
     WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[]) AND effective_on > %(as_of)s
    UNION ALL
    SELECT user_id, checked_on FROM limits.credit_checks
     WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[]) AND checked_on > %(as_of)s
    UNION ALL
    SELECT user_id, checked_on FROM limits.documents
     WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[]) AND checked_on > %(as_of)s
    UNION ALL
    SELECT user_id, effective_on FROM limits.consents
     WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[]) AND effective_on > %(as_of)s
)
SELECT array_agg(user_id) AS user_id, array_agg(day) AS day FROM days
