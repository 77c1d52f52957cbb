-- How sealing stands: batches that wait and since when, the newest reason why one is refused, what the file of
-- checkpoints must come to in bytes, and what became of the second anchor.
SELECT u.unsealed, u.oldest_seconds, t.refused, t.batch_id AS refused_batch, t.why AS refused_why,
       c.checkpoints, c.file_bytes, last.note, last.made_at, extract(epoch FROM clock_timestamp() - last.made_at)::float8
       AS age_seconds, a.why AS anchor_why, a.tried_at AS anchor_tried_at
  FROM (SELECT count(*) AS unsealed, extract(epoch FROM clock_timestamp() - min(b.applied_at))::float8 AS oldest_seconds
          FROM limits.batches b
         WHERE NOT EXISTS (SELECT FROM limits.sealed_batches s WHERE s.batch_id = b.batch_id)) u
  LEFT JOIN LATERAL (
       SELECT count(DISTINCT t.batch_id) + coalesce(max((t.batch_id IS NULL)::integer), 0) AS refused,
              (array_agg(t.batch_id ORDER BY t.trouble_id DESC))[1] AS batch_id,
              (array_agg(t.why ORDER BY t.trouble_id DESC))[1] AS why
         FROM limits.seal_troubles t
        WHERE NOT EXISTS (SELECT FROM limits.sealed_batches s
                           WHERE s.batch_id = t.batch_id OR t.batch_id IS NULL AND s.position = 0)) t ON true
  LEFT JOIN LATERAL (SELECT count(*) AS checkpoints, coalesce(sum(octet_length(note) + 1), 0)::bigint AS file_bytes
                       FROM limits.checkpoints) c ON true
  LEFT JOIN LATERAL (SELECT note, made_at FROM limits.checkpoints ORDER BY checkpoint_id DESC LIMIT 1) last ON true
  LEFT JOIN limits.seal_anchor a ON true
