-- The key of the digests that references are found by.
SELECT key FROM limits.person_lookup
