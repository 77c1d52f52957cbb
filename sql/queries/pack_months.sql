-- The months of some users between two months, as load_cash_flow gives them: arrays, one entry for each user and
-- month, of few numbers, for each costs as much to send as all the rest of the row.
--
-- cells: two amounts to a number, the one 2^32 times the other. held: days from the first month on,
-- days since 1900 from which and until which a window holds the month, of 22 bits each, all of them
-- set where there is no such day. particular: users with an amount that 31 bits do not hold, or a
-- month that is held with a gap, from ever, or from or until a day that is no such number;
-- load_cash_flow and pack_window_days say what is known of them. A multirange of one range has at
-- most 24 bytes.
SELECT array_agg(user_id) AS user_id,
       array_agg((month - %(first_month)s::date)::bigint << 44
                 | (CASE WHEN begins > '1900-01-01' AND begins < '9999-01-01' THEN begins - date '1900-01-01'
                         ELSE 4194303 END::bigint << 22)
                 | CASE WHEN ends > '1900-01-01' AND ends < '9999-01-01' THEN ends - date '1900-01-01'
                        ELSE 4194303 END) AS held,
       array_agg(inflow_minor << 32 | essential_minor) AS cells_0,
       array_agg(discretionary_minor << 32 | fees_minor) AS cells_1,
       array_agg(penalties_minor << 32 | obligations_minor) AS cells_2,
       array_agg(amount_due_minor << 32 | repaid_minor) AS cells_3,
       array_agg(user_id) FILTER (
           WHERE (inflow_minor | essential_minor | discretionary_minor | fees_minor
                  | penalties_minor | obligations_minor | amount_due_minor | repaid_minor) >> 31 <> 0
              OR begins <= '1900-01-01' OR begins >= '9999-01-01' OR ends <= '1900-01-01' OR ends >= '9999-01-01'
              OR begins IS NULL AND observed_as_of <> '{}'
              OR pg_column_size(observed_as_of) > 24
             AND observed_as_of <> datemultirange(range_merge(observed_as_of))) AS particular
  FROM (SELECT *, lower(observed_as_of) AS begins, upper(observed_as_of) AS ends
          FROM limits.monthly_cash_flow
         WHERE user_id BETWEEN %(first)s AND %(last)s AND user_id = ANY (%(user_ids)s::bigint[])
           AND month BETWEEN %(first_month)s AND %(last_month)s
        OFFSET 0) months
