-- Bytes of each table (partitions with their parent; heap and indexes apart) that is not empty, and of the WAL so far.
SELECT coalesce(root.relname, c.relname)::text AS name,
       sum(pg_table_size(c.oid))::bigint AS heap_bytes,
       sum(pg_indexes_size(c.oid))::bigint AS index_bytes,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class root ON root.oid = pg_partition_root(c.oid)
 WHERE n.nspname = 'limits' AND c.relkind = 'r' AND pg_table_size(c.oid) > 0
 GROUP BY 1
 ORDER BY 1
