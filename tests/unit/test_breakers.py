"""A review that does too much as a whole is noticed, exactly at the share the policy names."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from limits.breakers import Counts, tripped
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


@given(st.integers(0, ALL_BPS), st.integers(1, 10**7), st.data())
def test_a_higher_share_never_trips_more(bps: int, users: int, data: st.DataObject) -> None:
    counts = dataclasses.replace(QUIET, users=users, raised=data.draw(st.integers(0, users)))
    lower = RULES.model_copy(update={"raised_bps": bps})
    higher = RULES.model_copy(update={"raised_bps": min(bps + 1, ALL_BPS)})
    assert set(tripped(higher, counts)) <= set(tripped(lower, counts))
    assert ("raised" in tripped(lower, counts)) == (counts.raised / users > bps / ALL_BPS)
