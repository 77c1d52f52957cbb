-- Owes a review. The unique key on (schedule, business_date) decides between callers who race: the loser gets no row.
INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor)
VALUES ('scheduled', %(schedule)s, %(business_date)s, %(policy_hash)s, %(actor)s)
ON CONFLICT (schedule, business_date) DO NOTHING
RETURNING review_id
