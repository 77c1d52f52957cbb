-- The partitions of the new events. Before anything touches limits.events in this transaction:
-- making a partition waits for whoever uses the table, and two who used it and then waited would
-- wait for each other.
SELECT count(limits.ensure_month('limits.events', month))
  FROM (SELECT DISTINCT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date AS month
          FROM pg_temp.import_checked
         WHERE fault IS NULL AND NOT known
         ORDER BY month) months
