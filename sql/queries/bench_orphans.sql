-- Rows of each table that refer to a user who is not there, of users between two.
SELECT 'credit_lines' AS table_name, count(*) AS rows FROM limits.credit_lines t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'user_profiles', count(*) FROM limits.user_profiles t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'statements', count(*) FROM limits.statements t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'repayments', count(*) FROM limits.repayments t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'credit_checks', count(*) FROM limits.credit_checks t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'documents', count(*) FROM limits.documents t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'consents', count(*) FROM limits.consents t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT 'monthly_cash_flow', count(*) FROM limits.monthly_cash_flow t
 WHERE NOT EXISTS (SELECT FROM limits.users u WHERE u.user_id = t.user_id)
   AND t.user_id BETWEEN %(first)s AND %(last)s
