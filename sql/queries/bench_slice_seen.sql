-- What the planner goes by when a slice of made-up users is packed: the tables are empty before each.
ANALYZE limits.users, limits.user_profiles, limits.statements, limits.repayments, limits.credit_checks, limits.documents,
        limits.consents, limits.events, limits.monthly_cash_flow
