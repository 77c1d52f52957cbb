-- One entry of the adjustment log by its number.
SELECT *
  FROM limits.log_entries
 WHERE entry_id = %(entry_id)s::bigint
