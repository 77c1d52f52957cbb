-- The credit lines of the sample.
INSERT INTO bench.naive_credit_lines SELECT * FROM limits.credit_lines WHERE user_id = ANY (%(user_ids)s)
