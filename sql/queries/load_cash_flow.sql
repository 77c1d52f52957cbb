-- The months of some users between two months, and whether the profile of the date saw them whole: one row
-- of arrays, one entry for each user and month.
SELECT array_agg(user_id) AS user_id, array_agg(month) AS month,
       array_agg(observed_as_of @> %(as_of)s::date) AS watched,
       array_agg(inflow_minor) AS inflow, array_agg(essential_minor) AS essential_spend,
       array_agg(discretionary_minor) AS discretionary_spend, array_agg(fees_minor) AS fees,
       array_agg(penalties_minor) AS penalties, array_agg(obligations_minor) AS obligations,
       array_agg(amount_due_minor) AS amount_due, array_agg(repaid_minor) AS repaid
  FROM limits.monthly_cash_flow
 WHERE user_id = ANY (%(user_ids)s::bigint[]) AND month BETWEEN %(first_month)s AND %(last_month)s
