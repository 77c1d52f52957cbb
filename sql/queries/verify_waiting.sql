-- The offered and announced changes of a range of entries as one value, whatever became of them: kinds by their number.
SELECT string_agg(record_send(ROW(
           entry_id, array_position(ARRAY['offer', 'announced'], kind), effective_on, proposed_minor, limit_minor,
           user_id)), '')
  FROM limits_read.pending_changes WHERE entry_id BETWEEN %(first)s AND %(last)s
