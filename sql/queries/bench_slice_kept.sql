-- What stays of a slice of made-up users, vacuumed while its pages are in memory and were written since the last checkpoint:
-- later each of them would be read anew and go to the log of changes as a whole.
VACUUM limits.users, limits.credit_lines, limits.user_profiles, limits.documents, limits.consents, limits.packed_users
