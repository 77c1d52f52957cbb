"""The budget of a review: never exceeded, nobody is left out who would have been worth more."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limits.budget import Allotment, Raises, allot

GRID = 10
amounts = st.integers(1, 60).map(lambda steps: steps * GRID)
budgets = st.none() | st.integers(0, 1500)


@st.composite
def worlds(draw: st.DrawFn) -> Raises:
    n = draw(st.integers(0, 8))
    users = draw(st.permutations(range(1, n + 1)))
    columns = [
        draw(st.lists(one, min_size=n, max_size=n)) for one in (amounts, st.integers(0, 300), st.integers(0, 90))
    ]
    return Raises(*(np.array(column, dtype=np.int64) for column in (users, *columns)))


def lost(raises: Raises, granted: Allotment) -> int:
    """The loss of what was granted, in proportion, rounded up."""
    return sum(
        -(-int(loss) * int(part) // int(delta))
        for loss, part, delta in zip(raises.loss, granted.granted, raises.delta, strict=True)
    )


@given(worlds(), budgets, budgets)
def test_neither_budget_is_exceeded_and_raises_stay_on_the_grid(
    raises: Raises, exposure: int | None, loss: int | None
) -> None:
    made = allot(raises, exposure=exposure, loss=loss, grid=GRID)
    assert ((made.granted >= 0) & (made.granted <= raises.delta) & (made.granted % GRID == 0)).all()
    assert exposure is None or made.granted.sum() <= exposure
    assert loss is None or lost(raises, made) <= loss
    assert ((made.granted > 0) & (made.granted < raises.delta)).sum() <= 1, "one user stands at the margin"
    if exposure is None and loss is None:
        assert (made.granted == raises.delta).all()


@given(worlds(), budgets, budgets)
def test_no_other_choice_is_worth_more_by_a_user_or_two(raises: Raises, exposure: int | None, loss: int | None) -> None:
    made = allot(raises, exposure=exposure, loss=loss, grid=GRID)
    whole = int(raises.value[made.granted == raises.delta].sum())
    best = 0
    for chosen in itertools.product((False, True), repeat=len(raises)):
        rows = np.array(chosen, dtype=np.bool_)
        if (exposure is None or raises.delta[rows].sum() <= exposure) and (
            loss is None or raises.loss[rows].sum() <= loss
        ):
            best = max(best, int(raises.value[rows].sum()))
    margin = int(raises.value.max(initial=0)) * (2 if exposure is not None and loss is not None else 1)
    assert whole >= best - margin


@given(worlds(), st.integers(0, 1500), st.integers(0, 1500), st.booleans())
def test_a_tighter_budget_never_adds_more(raises: Raises, one: int, other: int, of_loss: bool) -> None:
    key, left_out = ("loss", "exposure") if of_loss else ("exposure", "loss")
    tight, wide = (
        allot(raises, **{key: budget, left_out: None}, grid=GRID) for budget in (min(one, other), max(one, other))
    )
    assert (tight.granted <= wide.granted).all()


@given(worlds(), st.integers(0, 1500), st.randoms(use_true_random=False))
def test_the_order_in_which_users_stand_says_nothing(raises: Raises, exposure: int, random: object) -> None:
    place = np.argsort(-raises.user_id)
    turned = Raises(*(getattr(raises, name)[place] for name in ("user_id", "delta", "value", "loss")))
    one, other = (allot(world, exposure=exposure, loss=None, grid=GRID) for world in (raises, turned))
    assert (one.granted[place] == other.granted).all()


def test_of_equals_the_lower_number_comes_first_and_the_margin_gets_what_is_left_on_the_grid() -> None:
    same = np.full(3, 100, dtype=np.int64)
    raises = Raises(np.array([3, 1, 2]), same, same, same)
    made = allot(raises, exposure=155, loss=None, grid=GRID)
    assert made.granted.tolist() == [0, 100, 50]
