-- The migrator's own rights and schema, whatever the file before left behind.
RESET ROLE;
SET search_path TO limits_migration;
