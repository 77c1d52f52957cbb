-- depends: 0002_tables
-- The queue for wake-ups where no broker is set. limits.store.queue installs the functions of
-- pgmq before the migrations run; here the one queue is made, so that no worker needs the
-- right to create tables.

SELECT pgmq.create('limits');

GRANT USAGE ON SCHEMA pgmq TO limits_worker, limits_operations;
GRANT SELECT ON ALL TABLES IN SCHEMA pgmq TO limits_worker, limits_operations;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA pgmq TO limits_worker, limits_operations;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_limits TO limits_worker, limits_operations;
