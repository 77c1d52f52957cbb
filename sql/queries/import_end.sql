-- Nothing stays behind in the session.
DROP TABLE pg_temp.import_stage, pg_temp.import_checked
