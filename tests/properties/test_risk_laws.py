"""What holds for every score and every [risk] of a policy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from limits.budget import expected_loss, exposure_at_default, loss_of_raise, raises_of
from limits.capacity import Method
from limits.decision import decide, review
from limits.money import Money
from limits.policy import RiskBand, RiskRules
from limits.policy_sense import contradictions
from limits.portfolio import PaymentRecord
from limits.risk import Risk, points_lost
from tests.policies import changed
from tests.portfolios import one_by_one
from tests.properties.test_decision import columns, many
from tests.risks import BANDS, RULES, in_band, scorecard
from tests.strategies import POLICY, portfolios, split

Listed = list[tuple[int, int, bool, int]]


def banded(required: bool, listed: Listed) -> RiskRules:
    """A [risk] with what each band lets have: months of capacity, the most, whether it is raised, what is kept."""
    bands = [
        {"name": name, "months_of_capacity": months, "most": Money(most, "CNY"), "raise": up,
         "limit_bps": 10_000 if up else kept}
        for name, (months, most, up, kept) in zip(BANDS, listed, strict=True)
    ]  # fmt: skip
    return RULES.model_copy(
        update={"required": required, "band": tuple(RiskBand.model_validate(band) for band in bands)}
    )


def in_order(listed: Listed) -> Listed:
    """The best band first, in each of what bands let have."""
    return list(zip(*(sorted(column, reverse=True) for column in zip(*listed, strict=True)), strict=True))


lists = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 15_000_000), st.booleans(), st.integers(0, 10_000)),
    min_size=3, max_size=3,
)  # fmt: skip
rules = st.builds(banded, st.booleans(), lists)
ordered = st.builds(banded, st.booleans(), lists.map(in_order))


def stricter(one: RiskRules, share: int, place: int, bars: bool) -> RiskRules:
    """Everything a band lets have at ``share`` / 100, a score needed, and the bands from ``place`` on barred."""
    bands = []
    for k, band in enumerate(one.band):
        update: dict[str, Any] = {
            "months_of_capacity": band.months_of_capacity * share // 100,
            "most": Money(band.most.minor * share // 100, "CNY"),
        }
        if bars and k >= place:
            update |= {"raises": False, "limit_bps": band.limit_bps * share // 100}
        bands.append(band.model_copy(update=update))
    return one.model_copy(update={"required": True, "band": tuple(bands)})


scores = st.lists(st.integers(-1, 2), min_size=6, max_size=6)


def risk(bands: list[int], users: int) -> Risk:
    band = np.array(bands[:users])
    return dataclasses.replace(in_band(users, 0), band=band)


@many
@given(portfolios, rules, scores, st.integers(0, 100), st.integers(0, 2), st.booleans())
def test_a_stricter_risk_raises_nobody_higher(
    drawn: Any, one: RiskRules, bands: list[int], share: int, place: int, bars: bool
) -> None:
    portfolio, capacity = split(drawn)
    before, after = (
        decide(portfolio, capacity, risk(bands, len(portfolio)), changed(POLICY, risk=each))
        for each in (one, stricter(one, share, place, bars))
    )
    assert (after.limit_after <= before.limit_after).all()
    without = decide(portfolio, capacity, risk(bands, len(portfolio)), POLICY.model_copy(update={"risk": None}))
    assert (before.limit_after <= without.limit_after).all()


@many
@given(portfolios, ordered, st.integers(0, 2), st.integers(0, 2))
def test_a_worse_band_never_gets_a_higher_limit(drawn: Any, one: RiskRules, band: int, other_band: int) -> None:
    policy = changed(POLICY, risk=one)
    portfolio, capacity = split(drawn)
    pair = sorted((band, other_band))
    better, other = (decide(portfolio, capacity, in_band(len(portfolio), k), policy) for k in pair)
    assert (other.limit_after <= better.limit_after).all()


@many
@given(portfolios, rules, scores)
def test_no_raise_passes_what_the_band_lets_have(drawn: Any, one: RiskRules, bands: list[int]) -> None:
    portfolio, capacity = split(drawn)
    made = decide(portfolio, capacity, risk(bands, len(portfolio)), changed(POLICY, risk=one))
    raised = made.limit_after > made.limit_before
    assert (made.limit_after[raised, None] <= made.ceilings[raised]).all()
    for row in np.flatnonzero(raised):
        if bands[row] < 0:
            assert not one.required
        else:
            band = one.band[bands[row]]
            assert band.raises and made.limit_after[row] <= band.most.minor
            assert made.limit_after[row] <= band.months_of_capacity * max(int(capacity.p50[row]), 0)


@many
@given(portfolios, st.lists(st.tuples(st.integers(0, 120), st.integers(0, 3_000_000)), min_size=6, max_size=6))
def test_a_scored_batch_is_each_one_alone(drawn: Any, statements: list[tuple[int, int]]) -> None:
    portfolio, _ = split(drawn)
    none = PaymentRecord.none(len(portfolio))
    late, owed = (np.array([one[k] for one in statements[: len(portfolio)]]) for k in (0, 1))
    record = dataclasses.replace(
        none, held=np.ones_like(none.held), balance=none.balance + owed[:, None],
        days_past_due=none.days_past_due + late[:, None],
    )  # fmt: skip
    portfolio = dataclasses.replace(portfolio, payment_record=record)
    model = scorecard()
    made = review(portfolio, POLICY, model)
    together, lost = columns(made), points_lost(model, portfolio, made.capacity)
    best = model.base_points + sum(max(one.points) for one in model.characteristics)
    assert (lost >= 0).all() and (made.risk.points == best - lost.sum(axis=1)).all()
    for row, user in enumerate(one_by_one(portfolio)):
        alone = review(user, POLICY, model)
        for name, values in columns(alone).items():
            assert np.array_equal(values[0], together[name][row]), name
        assert (points_lost(model, user, alone.capacity)[0] == lost[row]).all()


@many
@given(portfolios, st.integers(0, 1_000_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_loss_of_a_raise_is_a_part_of_it_and_grows_with_the_probability(
    drawn: Any, ppm: int, conversion: int, lost: int
) -> None:
    portfolio, capacity = split(drawn)
    one = RULES.model_copy(update={"conversion_bps": conversion, "loss_given_default_bps": lost})
    policy = changed(POLICY, risk=one)
    score = in_band(len(portfolio), 0, probability_ppm=ppm)
    made = decide(portfolio, capacity, score, policy)
    found = raises_of(portfolio, made, policy)
    assert ((found.loss >= 0) & (found.loss <= found.delta)).all()
    worse = loss_of_raise(portfolio, made.limit_after + 100, in_band(len(portfolio), 0, probability_ppm=10**6), one)
    up = made.limit_after > made.limit_before
    assert (found.loss <= worse[up]).all()
    owed = exposure_at_default(portfolio.balance, portfolio.credit_limit, one)
    most = np.maximum(np.maximum(portfolio.balance, 0), portfolio.credit_limit)
    assert ((owed >= np.maximum(portfolio.balance, 0)) & (owed <= most)).all()


@given(st.integers(0, 2**63 - 1) | st.integers(0, 10**4), st.integers(0, 1_000_000), st.integers(0, 10_000))
@example(2**63 - 1, 1_000_000, 10_000)
@example(2_180_000, 22_349, 9_000)
def test_an_expected_loss_is_exact_to_the_minor_unit(exposure: int, ppm: int, lost: int) -> None:
    one = RULES.model_copy(update={"loss_given_default_bps": lost})
    found = expected_loss(in_band(1, 0, probability_ppm=ppm), np.array([exposure]), one)
    assert found.tolist() == [-(-exposure * ppm * lost // 10**10)]


def test_what_a_raise_adds_is_what_is_not_drawn_yet() -> None:
    """20,000.00, 9,000.00 drawn; up by 4,000.00, of which half is drawn by then and 60% of that lost, one in ten."""
    drawn = ({"credit_limit": 2_000_000, "balance": 900_000}, (3_000_000, Method.POOLED, 24, 3_000_000))
    portfolio, capacity = split([drawn])
    for balance, added in ((900_000, 200_000), (2_200_000, 100_000), (2_400_000, 0), (-1, 200_000)):
        user = dataclasses.replace(portfolio, balance=np.array([balance]))
        loss = loss_of_raise(user, np.array([2_400_000]), in_band(1, 0), RULES)
        assert loss.tolist() == [added * 6 // 100]
    assert exposure_at_default(np.array([900_000]), np.array([2_000_000]), RULES).tolist() == [1_450_000]
    made = decide(portfolio, capacity, in_band(1, 0), POLICY)
    assert raises_of(portfolio, made, POLICY).loss.tolist() == [12_000]
    # Nobody has scored the user, or the policy has no [risk]: a share by how the user paid.
    for score, policy in ((Risk.none(1), POLICY), (in_band(1, 0), POLICY.model_copy(update={"risk": None}))):
        made = decide(portfolio, capacity, score, policy)
        assert raises_of(portfolio, made, policy).loss.tolist() == [8_000]
    both, capacity = split([drawn, drawn])
    half = dataclasses.replace(in_band(2, 0), band=np.array([0, -1]))
    assert raises_of(both, decide(both, capacity, half, POLICY), POLICY).loss.tolist() == [12_000, 8_000]


@given(ordered)
def test_bands_in_order_are_let_be(one: RiskRules) -> None:
    policy = changed(POLICY, risk=one)
    assert policy.risk == one and not list(contradictions(policy))
