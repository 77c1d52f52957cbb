-- Removes a part for the transaction that applies it. The review's row first: whoever cancels it has that lock too
-- before the parts.
WITH review AS MATERIALIZED (
    SELECT review_id FROM limits.reviews WHERE review_id = %(review_id)s FOR SHARE
)
DELETE FROM limits.shard_parts p
 USING review r
 WHERE p.review_id = r.review_id AND p.shard = %(shard)s AND p.part = %(part)s
RETURNING p.root, p.body, p.users
