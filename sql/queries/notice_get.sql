-- Some notices by their numbers.
SELECT *
  FROM limits.notice_list
 WHERE notice_id = ANY (%(notice_ids)s::bigint[])
 ORDER BY notice_id
