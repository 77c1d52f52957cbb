-- The packed rows of some users that hold on a date, their credit lines as they are now, and which of them are
-- dirty: one row. Each column is bytes in network order, one entry of a fixed width for each user, but
-- that facts and cells are what is packed. Few users have a foreign currency or were ever cut: of
-- those alone, the id and what is so.
--
-- Read apart and put together by the client, so that no plan depends on how many rows are guessed. Where
-- users are dense: all between the first and the last; else by their ids, whose number the planner
-- does not see: it would look up each of them in its statistics.
--
-- Whoever is missing here is loaded from the sources: users who are not packed, packed for other dates
-- or by other code, who have no line, or whose line has dates of no use.
SELECT p.*, c.*, d.*
  FROM (SELECT string_agg(int8send(user_id), '') AS packed_id,
               string_agg(int8send((month_from::bigint << 16) | (months_held::integer << 1) | wide::integer), '') AS span,
               string_agg(int8send(user_id) || bpcharsend(currency), '')
                   FILTER (WHERE currency <> %(currency)s) AS foreign_row,
               string_agg(facts, '') AS facts, string_agg(cells, '') AS cells
          FROM limits.packed_users
         WHERE (%(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[]))
           AND valid_from <= %(as_of)s AND valid_until > %(as_of)s AND format = %(format)s
           AND length(facts) = %(width)s AND octet_length(currency) = 3) p
 CROSS JOIN
       (SELECT string_agg(int8send(user_id), '') AS line_id,
               string_agg(int8send(user_id) || bpcharsend(currency), '')
                   FILTER (WHERE currency <> %(currency)s) AS foreign_line,
               string_agg(int8send(limit_minor), '') AS credit_limit,
               string_agg(int8send(version), '') AS version,
               string_agg(int8send(((opened_on - '2000-01-01'::date)::bigint << 32)
                                   | coalesce(last_raise_on - '2000-01-01'::date + 2147483648, 0)), '') AS opened_raised,
               string_agg(int8send(user_id) || int8send(coalesce(limit_before_cut_minor, -1))
                          || date_send(coalesce(last_cut_on, '-infinity')), '')
                   FILTER (WHERE last_cut_on IS NOT NULL OR limit_before_cut_minor IS NOT NULL) AS cut
          FROM limits.credit_lines
         WHERE (%(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[]))
           AND isfinite(opened_on) AND isfinite(last_raise_on) IS NOT FALSE AND isfinite(last_cut_on) IS NOT FALSE
           AND octet_length(currency) = 3) c
 CROSS JOIN
       (SELECT string_agg(int8send(user_id), '') AS dirty_id
          FROM limits.dirty_users
         WHERE %(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
            OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[])) d
