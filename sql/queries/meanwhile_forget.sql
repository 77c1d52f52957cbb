-- Some users are about to be decided anew, from what is there by now.
DELETE FROM limits.decided_meanwhile
 WHERE review_id = %(review_id)s AND user_id = ANY (%(user_ids)s::bigint[])
