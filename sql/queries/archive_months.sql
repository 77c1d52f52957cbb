-- The months of the log that are archived, oldest first.
SELECT month, entries, batches, changes, delta_minor, notices, waiting, first_entry, last_entry, file_name, sha256, actor,
       session_role, archived_at
  FROM limits_read.archived_months
 ORDER BY month
