-- Lines about users who were erased are not kept: the reason alone is, and the file's digest in place of the line's.
UPDATE pg_temp.import_stage s
   SET reason = 'erased', detail = 'the user was erased; the line is not kept',
       raw = '(not kept: the user was erased)', digest = %(digest)s::bytea
  FROM limits.erasures e
 WHERE s.reason IS NULL AND e.user_id = limits.read_id(s.user_id)
