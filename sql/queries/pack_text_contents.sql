-- The texts with some numbers.
SELECT code, content FROM limits.packed_texts WHERE code = ANY (%(codes)s)
