-- The statements of some users whose ids lie between two: arrays, one entry for each statement, in no order.
-- reported: -1 where nothing was.
SELECT array_agg(user_id) AS user_id, array_agg(statement_on) AS statement_on, array_agg(due_on) AS due_on,
       array_agg(balance_minor) AS balance, array_agg(amount_due_minor) AS due, array_agg(minimum_due_minor) AS minimum,
       array_agg(coalesce(days_past_due, -1)) AS reported
  FROM limits.statements
 WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
