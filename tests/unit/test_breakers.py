"""A review that does too much as a whole is noticed, exactly at the share the policy names."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits.breakers import Canary, Counts, canary_differs, further_in_words, in_words, tripped
from limits.policy import ALL_BPS, Breakers

RULES = Breakers(
    raised_bps=5000,
    lowered_bps=3000,
    exposure_up_bps=1000,
    exposure_down_bps=1000,
    quarantined_bps=500,
    fallback_bps=5000,
)
QUIET = Counts(
    users=200, raised=100, lowered=60, quarantined=10, fallback=100, exposure_before=1_000, exposure_after=1_000
)


def test_at_the_share_itself_nothing_trips_and_one_user_more_does() -> None:
    assert tripped(RULES, QUIET) == ()
    for name in ("raised", "lowered", "quarantined", "fallback"):
        more = dataclasses.replace(QUIET, **{name: getattr(QUIET, name) + 1})
        assert tripped(RULES, more) == (name,)


def test_exposure_is_watched_both_ways_to_the_minor_unit() -> None:
    for after, expected in ((1_100, ()), (1_101, ("exposure_up",)), (900, ()), (899, ("exposure_down",))):
        assert tripped(RULES, dataclasses.replace(QUIET, exposure_after=after)) == expected


def test_of_nobody_nothing_trips_and_a_limit_out_of_nothing_does() -> None:
    nobody = Counts(users=0, raised=0, lowered=0, quarantined=0, fallback=0, exposure_before=0, exposure_after=0)
    assert tripped(RULES, nobody) == ()
    assert tripped(RULES, dataclasses.replace(nobody, exposure_after=1)) == ("exposure_up",)


def test_what_the_policy_leaves_out_does_not_trip_and_else_a_share_too_much_does() -> None:
    large = dataclasses.replace(QUIET, greatest_raise_bps=2001, users_previous=100)
    assert tripped(RULES, large) == ()
    both = RULES.model_copy(update={"user_raise_bps": 2000, "population_bps": 9999})
    assert tripped(both, large) == ("user_raise", "population")
    assert tripped(both, dataclasses.replace(large, greatest_raise_bps=2000, users_previous=0)) == ()
    assert tripped(both, dataclasses.replace(QUIET, users_previous=200)) == ()
    assert in_words(both, large) == (
        "the largest raise of one user: 20.01%, more than 20.00%; "
        "users more or fewer than in the review before: 100.00%, more than 99.99%"
    )


def test_what_was_let_through_may_be_reached_and_not_exceeded() -> None:
    let_through = dataclasses.replace(QUIET, raised=120, lowered=80)
    assert further_in_words(RULES, let_through, QUIET) == in_words(RULES, let_through) != ""
    assert further_in_words(RULES, let_through, let_through) == ""
    more = dataclasses.replace(let_through, raised=121, lowered=60, quarantined=10)
    assert further_in_words(RULES, more, let_through) == "users raised: 60.50%, more than 50.00%"
    assert further_in_words(RULES, dataclasses.replace(more, users=202), let_through) == "", "the same share, or less"
    nothing = dataclasses.replace(QUIET, exposure_before=0, exposure_after=0)
    assert further_in_words(RULES, dataclasses.replace(nothing, exposure_after=1), nothing), "a limit where none was"


GOOD = Canary(
    shards=10, leases=30, decided_users=1000, users=950, renewed=0, aside=50, decided_change=7, change=9, budgeted=0
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"users": 949}, "1,000 users decided, 949 applied"),
        ({"renewed": 1}, "1 of 1,000 users had to be decided again and 50 got no"),
        ({"leases": 31}, "10 shards took 31 leases more"),
        ({"users": 1000, "aside": 0}, "limits changed by 9 minor units, where 7 had been decided"),
        ({"users": 1000, "aside": 0, "change": 7}, ""),
        ({"users": 1000, "aside": 0, "budgeted": 1}, ""),
        ({"decided_users": 21, "users": 1, "aside": 20}, ""),
        ({"decided_users": 22, "users": 1, "aside": 21}, "together more than 5.00%"),
    ],
    ids=str,
)
def test_a_canary_that_differs(changed: dict[str, int], words: str) -> None:
    found = canary_differs(dataclasses.replace(GOOD, **changed))
    assert words in found
    assert bool(words) == bool(found)


@given(st.integers(0, ALL_BPS), st.integers(1, 10**7), st.data())
def test_a_higher_share_never_trips_more(bps: int, users: int, data: st.DataObject) -> None:
    counts = dataclasses.replace(QUIET, users=users, raised=data.draw(st.integers(0, users)))
    lower = RULES.model_copy(update={"raised_bps": bps})
    higher = RULES.model_copy(update={"raised_bps": min(bps + 1, ALL_BPS)})
    assert set(tripped(higher, counts)) <= set(tripped(lower, counts))
    assert ("raised" in tripped(lower, counts)) == (counts.raised / users > bps / ALL_BPS)
