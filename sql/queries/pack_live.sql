-- What is never packed and few users have: of some users, whose change is open, who asked for a limit in the 90
-- days to a date (once for each time), who has overrides or frauds on record, and who shares an
-- identifier with a user who has. Where users are dense: of all between the first and the last.
SELECT ARRAY(SELECT user_id FROM limits.pending_changes
              WHERE (%(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                     OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[]))
                AND state = 'open') AS pending,
       ARRAY(SELECT user_id FROM limits.limit_requests
              WHERE (%(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                     OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[]))
                AND asked_on > %(as_of)s::date - 90 AND asked_on <= %(as_of)s) AS requests,
       ARRAY(SELECT user_id FROM limits.overrides
              WHERE (%(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                     OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[]))
                AND state IN ('approved', 'ended')
             UNION
             SELECT user_id FROM limits.frauds
              WHERE %(dense)s AND user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                 OR NOT %(dense)s AND user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[])) AS particular,
       ARRAY(SELECT DISTINCT i.user_id
               FROM limits.fraud_identifiers f
               JOIN limits.identifiers i ON i.kind = f.kind AND i.value_sha256 = f.value_sha256
              WHERE %(dense)s AND i.user_id BETWEEN %(first)s::bigint AND %(last)s::bigint
                 OR NOT %(dense)s AND i.user_id = ANY ((SELECT %(user_ids)s::bigint[])::bigint[])) AS linked
