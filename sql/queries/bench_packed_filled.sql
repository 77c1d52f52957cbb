-- Whether anybody is packed.
SELECT EXISTS (SELECT FROM limits.packed_users)
