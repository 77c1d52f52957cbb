-- What every session starts with: business dates are UTC dates, and the rights are those of one role.
-- An empty role leaves the login's own rights.
SELECT set_config('TimeZone', 'UTC', false),
       CASE WHEN %(role)s <> '' THEN set_config('role', %(role)s, false) END;
