-- depends: 0025_sealing
-- What a check of the whole log reads. The auditor sees views and no table, so that the digest over what was logged
-- before there were batches is computed with its owner's rights.

SET LOCAL ROLE limits_owner;

ALTER FUNCTION limits.origin_digest() SECURITY DEFINER;

RESET ROLE;
