-- The database of the embedded server, made in single-user mode: one statement on one line.
CREATE DATABASE limits
