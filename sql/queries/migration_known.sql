-- Whether anything was ever applied here.
SELECT to_regclass('limits_migration.files') IS NOT NULL;
