-- What tells this database from every other: the server's own number, and the database's on it.
SELECT format('%s/%s', (SELECT system_identifier FROM pg_control_system()), oid)
  FROM pg_database
 WHERE datname = current_database()
