-- Keeps a snapshot under its digest, once, and says that a shard uses it; gives whether it was new.
WITH kept AS (
    INSERT INTO limits.snapshots (digest, as_of, users, bytes, body)
    VALUES (%(digest)s, %(as_of)s, %(users)s, %(bytes)s, %(body)b)
    ON CONFLICT (digest) DO NOTHING
    RETURNING digest
), used AS (
    INSERT INTO limits.snapshot_uses (review_id, shard, digest)
    VALUES (%(review_id)s, %(shard)s, %(digest)s)
    ON CONFLICT (review_id, shard, digest) DO NOTHING
)
SELECT EXISTS (SELECT FROM kept)
