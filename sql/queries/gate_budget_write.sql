-- What the raises of a review may add, and the price at which that is used up.
INSERT INTO limits.review_budgets (review_id, exposure_minor, loss_minor, wished_minor, granted_minor, users, users_cut,
                                   price, mix)
VALUES (%(review_id)s, %(exposure_minor)s, %(loss_minor)s, %(wished_minor)s, %(granted_minor)s, %(users)s,
        %(users_cut)s, %(price)s, %(mix)s)
