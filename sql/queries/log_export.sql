-- The entries that match, in the order of the query log_matching, for an export.
COPY ({matching}) TO STDOUT (FORMAT binary)
