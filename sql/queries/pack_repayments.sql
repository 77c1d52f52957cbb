-- The repayments of some users whose ids lie between two: arrays, one entry for each repayment, in no order.
SELECT array_agg(user_id) AS user_id, array_agg(paid_on) AS paid_on, array_agg(amount_minor) AS amount
  FROM limits.repayments
 WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
