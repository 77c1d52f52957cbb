-- The months of some users between two months, and whether the profile of the date saw them whole.
SELECT user_id, month, (observed_as_of @> %(as_of)s::date)::int AS watched,
       inflow_minor, essential_minor, discretionary_minor, fees_minor, penalties_minor, obligations_minor,
       amount_due_minor, repaid_minor
  FROM limits.monthly_cash_flow
 WHERE user_id = ANY (%(user_ids)s::bigint[]) AND month BETWEEN %(first_month)s AND %(last_month)s
