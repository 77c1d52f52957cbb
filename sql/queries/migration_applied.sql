-- The files applied so far, each with the sha256 of what was applied.
SELECT migration, digest FROM limits_migration.files ORDER BY migration;
