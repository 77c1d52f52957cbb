-- Keeps a risk model and proposes it; gives the number of the proposal.
SELECT limits.propose_risk_model(%(body)s, %(name)s, %(horizon_months)s, %(effective_on)s, %(actor)s, %(reason)s)
