-- What the raises of a review were allowed to add.
SELECT exposure_minor, loss_minor, wished_minor, granted_minor, users, users_cut, price, mix
  FROM limits_read.review_budgets
 WHERE review_id = %(review_id)s
