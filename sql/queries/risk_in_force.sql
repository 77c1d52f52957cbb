-- The risk model that is in force on a date; NULL for none.
SELECT limits.risk_model_in_force(%(as_of)s)
