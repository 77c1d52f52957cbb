-- Credit checks, documents and consents of a shard: one row for each user.
COPY (SELECT u.user_id, k.active_lenders, k.inquiries, k.outside_debt_minor, k.outside_monthly_payment_minor,
             k.checked_on, d.status, d.valid_until, a.subject, a.state
        FROM limits.users u
        LEFT JOIN limits.credit_checks k ON k.user_id = u.user_id
        LEFT JOIN limits.documents d ON d.user_id = u.user_id
        LEFT JOIN limits.consents a ON a.user_id = u.user_id
       WHERE u.user_id BETWEEN %(user_from)s AND %(user_to)s) TO STDOUT (FORMAT binary)
