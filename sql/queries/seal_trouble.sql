-- Why a batch is not sealed; once, however often it is looked at.
INSERT INTO limits.seal_troubles (batch_id, why)
SELECT %(batch_id)s::bigint, %(why)s::text
 WHERE %(why)s::text IS DISTINCT FROM (SELECT t.why FROM limits.seal_troubles t
                                  WHERE t.batch_id IS NOT DISTINCT FROM %(batch_id)s::bigint
                                  ORDER BY t.trouble_id DESC LIMIT 1)
