-- As pack_statements, of users with several statements on one day, in the order in which load_users reads them.
SELECT array_agg(user_id) AS user_id, array_agg(statement_on) AS statement_on, array_agg(due_on) AS due_on,
       array_agg(balance_minor) AS balance, array_agg(amount_due_minor) AS due, array_agg(minimum_due_minor) AS minimum,
       array_agg(coalesce(days_past_due, -1)) AS reported
  FROM (SELECT * FROM limits.statements
         WHERE user_id = ANY (%(user_ids)s::bigint[])
         ORDER BY user_id, statement_on, source, source_id) s
