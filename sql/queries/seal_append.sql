-- The next leaves of the log's tree, in the order of the arrays.
INSERT INTO limits.sealed_batches (position, batch_id, digest)
SELECT %(position)s + a.place - 1, a.batch_id, a.digest
  FROM unnest(%(batch_ids)s::bigint[], %(digests)s::bytea[]) WITH ORDINALITY AS a(batch_id, digest, place)
