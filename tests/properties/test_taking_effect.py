"""What holds for how decisions take effect, whoever is decided about and whatever consent is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limits.decision import decide
from limits.dispositions import Disposition, Dispositions, Notice, dispose, ending
from limits.policy import Policy
from limits.portfolio import UNKNOWN
from tests.policies import changed
from tests.portfolios import AS_OF, one_by_one
from tests.risks import risk_of
from tests.strategies import POLICY, portfolios, split

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

days = st.integers(1, 365)
policies = st.builds(
    lambda raises, cuts, offer, notice, cut, explain: changed(
        POLICY,
        **{
            "consent.raises": raises, "consent.cuts": cuts, "consent.offer_days": offer,
            "consent.raise_notice_days": notice, "consent.cut_notice_days": cut,
            "notices.adverse_action_days": explain,
        },
    ),
    st.sampled_from(["at_once", "offer", "notice", "on_request"]), st.sampled_from(["at_once", "notice"]), days, days,
    days, days,
)  # fmt: skip


@many
@given(portfolios, policies)
def test_what_waits_is_the_engines_wish_and_what_does_not_is_the_limit(drawn: Any, policy: Policy) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), policy)
    found = dispose(portfolio, made, policy)
    waits = found.disposition != Disposition.AT_ONCE
    assert (np.where(waits, found.proposed, found.limit_after) == made.limit_after).all()
    assert (found.limit_after[waits] == made.limit_before[waits]).all()
    assert (found.proposed[waits] != made.limit_before[waits]).all()
    assert (found.proposed[~waits] == UNKNOWN).all()
    assert (np.isnat(found.effective_on) == ~waits).all()
    assert (found.effective_on[waits] > np.datetime64(AS_OF, "D")).all()
    # No ceiling is passed by what is offered or announced either (I5).
    assert (found.proposed[waits] <= np.maximum(made.lowest_ceiling, made.limit_before)[waits]).all()


@many
@given(portfolios, policies)
def test_every_change_is_told_and_so_is_every_refusal(drawn: Any, policy: Policy) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), policy)
    found = dispose(portfolio, made, policy)
    told = found.notice != Notice.NONE
    assert told[made.limit_after != made.limit_before].all()
    assert (np.isnat(found.notice_due_on) == ~told).all()
    assert (found.notice_due_on[told] >= np.datetime64(AS_OF, "D")).all()
    cut = found.limit_after < made.limit_before
    assert (found.notice[cut] == Notice.LOWERED).all()
    assert ((found.disposition == Disposition.OFFERED) == (found.notice == Notice.OFFERED)).all()
    assert ((found.disposition == Disposition.ANNOUNCED) == (found.notice == Notice.ANNOUNCED)).all()


@many
@given(portfolios, policies)
def test_a_raise_that_was_asked_for_never_waits(drawn: Any, policy: Policy) -> None:
    portfolio, capacity = split([({**user, "requested_limit": 5_000_000}, q) for user, q in drawn])
    made = decide(portfolio, capacity, risk_of(portfolio), policy)
    found = dispose(portfolio, made, policy)
    raised = made.limit_after > made.limit_before
    assert (found.disposition[raised] == Disposition.AT_ONCE).all()


@many
@given(portfolios, policies)
def test_the_batch_is_each_one_alone(drawn: Any, policy: Policy) -> None:
    portfolio, capacity = split(drawn)
    together = dispose(portfolio, decide(portfolio, capacity, risk_of(portfolio), policy), policy)
    for row, user in enumerate(one_by_one(portfolio)):
        alone = dispose(user, decide(user, capacity.take([row]), risk_of(user), policy), policy)
        for field in dataclasses.fields(Dispositions):
            one, all_of_them = getattr(alone, field.name), getattr(together, field.name)
            assert one.dtype == all_of_them.dtype, field.name
            assert np.array_equal(one, all_of_them[[row]], equal_nan=field.name.endswith("_on")), field.name


@many
@given(portfolios, policies, st.booleans())
def test_the_end_of_what_was_announced_is_told_on_the_day(drawn: Any, policy: Policy, raises: bool) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk_of(portfolio), policy)
    plain = dispose(portfolio, made, policy)
    found = ending(plain, portfolio, made, raises=raises)
    stays = (plain.disposition == Disposition.AT_ONCE) & (plain.limit_after == made.limit_before)
    himself = portfolio.opted_out & raises
    assert (found.notice[stays & ~himself] == Notice.WITHDRAWN).all()
    assert (found.notice[stays & himself] == Notice.NONE).all()
    assert (found.notice[~stays] == plain.notice[~stays]).all()
    assert (np.isnat(found.notice_due_on) == (found.notice == Notice.NONE)).all()
    today = (found.notice == Notice.WITHDRAWN) | (raises & (found.notice == Notice.LOWERED))
    assert (found.notice_due_on[today] == np.datetime64(AS_OF, "D")).all()
    for field in ("disposition", "limit_after", "proposed"):
        assert np.array_equal(getattr(found, field), getattr(plain, field))
