-- A file was applied: written in the transaction that applied it.
INSERT INTO limits_migration.files (migration, digest) VALUES (%(migration)s, %(digest)s);
