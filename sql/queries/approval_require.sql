-- Refuses (LM004) unless the policy is approved to decide; keeps the approval locked until the transaction ends.
SELECT limits.require_approved(%(policy_hash)s)
