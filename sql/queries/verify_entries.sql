-- All that the log has under the numbers of some batches, as one value. The bounds find it, the list keeps out others;
-- + 0 keeps the list out of the index, which would be searched once for each of its numbers.
SELECT string_agg(record_send(ROW({columns})), '')
  FROM limits_read.adjustment_log
 WHERE batch_id + 0 = ANY (%(batches)s) AND batch_id BETWEEN %(first_batch)s AND %(last_batch)s
   AND review_id BETWEEN %(first_review)s AND %(last_review)s AND as_of BETWEEN %(first_day)s AND %(last_day)s
