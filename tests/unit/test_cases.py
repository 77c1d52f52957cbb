"""The cases of tests/cases, decided by the engine."""

from __future__ import annotations

import numpy as np
import pytest

from limits.ceilings import CEILINGS
from limits.decision import review
from limits.policy import policy_at
from limits.store.policies import read_pack
from tests.casebook import Step, steps
from tests.portfolios import make_portfolio

STEPS = list(steps())
ACTIONS = {1: "raised", 0: "held", -1: "lowered"}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_case(step: Step) -> None:
    policy = policy_at(read_pack(step.policy), step.as_of)
    portfolio = make_portfolio([step.columns], as_of=step.as_of, currency=policy.currency)
    decisions = review(portfolio, policy)
    reasons = [reason.name.lower() for reason in decisions.reasons(0)]
    assert (ACTIONS[int(np.asarray(decisions.action)[0])], reasons) == (step.action, step.reasons)
    if step.limit_minor is not None:
        assert int(decisions.limit_after[0]) == step.limit_minor


def test_every_reason_is_the_first_reason_of_some_case() -> None:
    """A rule that no case reaches may be wrong without anybody noticing."""
    first = {step.reasons[0] for step in STEPS if step.reasons}
    missing = {ceiling.reason.name.lower() for ceiling in CEILINGS} - first
    assert not missing
