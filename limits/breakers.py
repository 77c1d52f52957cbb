"""Breakers: what a review as a whole may do before somebody should look at it.

Every decision of a review can be right by the rules while the review is wrong: a policy with a
slip of the pen, a feed of income that broke overnight. What gives that away is the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

from limits.policy import ALL_BPS, Breakers


@dataclass(frozen=True, slots=True)
class Counts:
    """A review so far, or a dry run of it.

    users          that it has come to, those it could not decide included
    raised, lowered, quarantined
                   of these
    fallback       of these: decided without a forecast (reason model_fell_back)
    exposure_before, exposure_after
                   sum of their limits, minor units
    """

    users: int
    raised: int
    lowered: int
    quarantined: int
    fallback: int
    exposure_before: int
    exposure_after: int


def tripped(rules: Breakers, counts: Counts) -> tuple[str, ...]:
    """The names of the breakers that trip, in the order of the policy's keys without ``_bps``; empty: none.

    A breaker trips when its share is exceeded: at the share itself the review goes on. Exact in
    whole numbers. Of no users no share is exceeded; a limit where there was none exceeds any share.
    """
    up = counts.exposure_after - counts.exposure_before
    shares = (
        ("raised", counts.raised, counts.users, rules.raised_bps),
        ("lowered", counts.lowered, counts.users, rules.lowered_bps),
        ("exposure_up", up, counts.exposure_before, rules.exposure_up_bps),
        ("exposure_down", -up, counts.exposure_before, rules.exposure_down_bps),
        ("quarantined", counts.quarantined, counts.users, rules.quarantined_bps),
        ("fallback", counts.fallback, counts.users, rules.fallback_bps),
    )
    return tuple(name for name, part, whole, bps in shares if part * ALL_BPS > whole * bps)
