-- Whether any review was by an actor, and who the newest were by, the newest first: five of the newest 10,000 at most.
-- An entry has the actor of its review.
SELECT EXISTS (SELECT FROM limits_read.reviews WHERE actor = %(actor)s) AS there,
       ARRAY(SELECT r.actor
               FROM (SELECT review_id, actor FROM limits_read.reviews ORDER BY review_id DESC LIMIT 10000) r
              GROUP BY r.actor
              ORDER BY max(r.review_id) DESC
              LIMIT 5) AS actors
