-- Object ids of the type of a decision and of arrays of it.
SELECT 'limits.decision_row'::regtype::oid::integer AS element, 'limits.decision_row[]'::regtype::oid::integer AS array
