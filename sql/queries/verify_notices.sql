-- The notices of a range of entries as one value: kinds by their number, as the bytes of an entry have them.
SELECT string_agg(record_send(ROW(
           entry_id,
           array_position(ARRAY['raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn'], kind),
           due_on, user_id)), '')
  FROM limits_read.notices WHERE entry_id BETWEEN %(first)s AND %(last)s
