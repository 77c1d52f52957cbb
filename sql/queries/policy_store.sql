-- Keeps a policy under the sha256 of its text; the same text is kept once.
INSERT INTO limits.policies (policy_hash, pack, effective_on, body, actor)
VALUES (%(policy_hash)s, %(pack)s, %(effective_on)s, %(body)s, %(actor)s)
ON CONFLICT (policy_hash) DO NOTHING
