-- Whether somebody holds a shard of the stage that a running review is in.
SELECT EXISTS (SELECT
                 FROM limits.reviews r
                 JOIN limits.shards s ON s.review_id = r.review_id AND s.stage = r.stage
                WHERE r.review_id = %(review_id)s AND r.state = 'running'
                  AND s.state = 'leased' AND s.leased_until > clock_timestamp())
