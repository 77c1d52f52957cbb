-- Writes the packed rows of some users and takes away the marks that this snapshot sees.
SELECT limits.pack_users(
    %(user_ids)s::bigint[], %(valid_from)s::date[], %(valid_until)s::date[], %(format)s, %(month_from)s::integer[],
    %(months_held)s::smallint[], %(wide)s::boolean[], %(currency)s::char(3)[], %(width)s, %(facts)b,
    %(cells_from)s::integer[], %(cells)b)
