"""Policies for tests of the core: the standard pack, with what a test changes in it."""

from __future__ import annotations

from typing import Any

from limits.money import Money
from limits.policy import Policy, policy_at
from limits.store.policies import read_pack
from tests.portfolios import AS_OF

STANDARD = policy_at(read_pack("standard"), AS_OF)


def yuan(amount: float) -> Money:
    """So many CNY."""
    return Money(round(amount * 100), "CNY")


def changed(policy: Policy = STANDARD, /, **changes: Any) -> Policy:
    """The policy with other values, checked as those of a file are: ``changed(**{"raises.step_bps": 100})``."""
    for path, value in changes.items():
        *sections, key = path.split(".")
        section = policy if not sections else getattr(policy, sections[0])
        assert len(sections) < 2 and key in type(section).model_fields, path
        section = section.model_copy(update={key: value})
        type(section).model_validate(dict(section), by_name=True)
        policy = section if not sections else policy.model_copy(update={sections[0]: section})
    return policy
