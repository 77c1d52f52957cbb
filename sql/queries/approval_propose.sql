-- Proposes a policy that is kept in the database; gives the number of the proposal.
SELECT limits.propose_policy(%(policy_hash)s, %(role)s, %(actor)s, %(reason)s)
